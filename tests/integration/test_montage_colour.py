"""Colours and fields: HDR looks as it should on an ordinary screen, interlaced pictures lose their combs."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.source import FileSource

from .montage_sources import H264, make, plan_of

pytestmark = pytest.mark.integration

COLUMNS = (50, 92, 134, 174, 214, 255)
"""Where the middles of a colour chart's patches lie in the rendered 320×180 picture of the HLG file."""
ROWS = (27, 64, 104, 144)


def source(path: Path) -> RenderSource:
    return RenderSource(str(path), probe(FileSource(path)))


def rendered(path: Path, work: Path, until_ms: int, **slow) -> list[np.ndarray]:
    plan = plan_of(("v", 0, until_ms))
    clip = plan.clips[0].model_copy(update=slow)
    film = render_montage(plan.model_copy(update={"clips": (clip,)}), {"v": source(path)}, work).files["mp4"]
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert (int(stream.codec_context.color_primaries), int(stream.codec_context.color_trc)) == (1, 1)
        assert int(stream.codec_context.colorspace) == 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_colour_chart_in_hlg_comes_out_with_its_colours_and_neutral_greys(shared_media, tmp_path):
    path = shared_media / "video/odd/media3_mp4_hlg10-color-test.mp4"
    frame = rendered(path, tmp_path, 200)[2]
    chart = np.array([[frame[y - 5 : y + 6, x - 5 : x + 6].mean(axis=(0, 1)) for x in COLUMNS] for y in ROWS])
    # Lower row of the chart: white to black, all of them grey.
    greys = chart[3].mean(axis=1)
    assert (np.diff(greys) < -4).all()
    assert greys[0] > 215
    assert greys[5] < 70
    assert np.ptp(chart[3][:5], axis=1).max() < 22, "a warm lamp, no more"
    # Third row: blue, green, red, yellow, magenta, cyan.
    hsv = cv2.cvtColor(chart[2:3].round().astype(np.uint8), cv2.COLOR_RGB2HSV)[0].astype(int)
    published = np.array([232, 124, 357, 50, 322, 191])  # the hues of its sRGB values
    assert np.abs((2 * hsv[:, 0] - published + 180) % 360 - 180).max() < 16
    assert hsv[:, 1].min() > 110, "nothing is washed out"


@pytest.mark.parametrize(
    ("name", "until_ms"), [("media3_mp4_hdr10-av1.mp4", 600), ("media3_mp4_dolbyVision-hdr.MOV", 120)]
)
def test_pq_and_dolby_vision_keep_their_light(shared_media, tmp_path, name, until_ms):
    """Neither grey all over (PQ shown as it is) nor burnt out: dark and light are both there, most is between."""
    frame = rendered(shared_media / "video/odd" / name, tmp_path, until_ms)[1]
    luma = frame[:, 112:208].astype(float) @ (0.2126, 0.7152, 0.0722)
    low, middle, high = np.percentile(luma, [1, 50, 99])
    assert low < 60
    assert 70 < middle < 190
    assert 190 < high <= 255
    assert (luma > 250).mean() < 0.05


def interlaced(path: Path) -> Path:
    """A white bar that moves 8 pixels from field to field, over a grey ground."""
    moving = "color=c=0x404040:s=320x180:r=50:d=2[g];color=c=white:s=40x180:r=50:d=2[b]"
    return make(
        path,
        "-f",
        "lavfi",
        "-i",
        f"{moving};[g][b]overlay=x='mod(8*n,320)':eval=frame,tinterlace=interleave_top,fieldorder=tff",
        *H264,
        "-flags",
        "+ilme+ildct",
        "-x264-params",
        "tff=1",
    )


def combs(frame: np.ndarray) -> float:
    """How much lines differ from both their neighbours: what two fields of a moving thing do."""
    lines = frame.astype(float).mean(axis=2)
    return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2)[20:-20].mean())


def test_interlaced_pictures_lose_their_combs(tmp_path):
    path = interlaced(tmp_path / "fields.mp4")
    assert source(path).media.interlaced
    with av.open(str(path)) as container:
        before = np.mean([combs(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)])
    after = [combs(frame) for frame in rendered(path, tmp_path / "out", 1_600)]
    assert before > 5
    assert max(after) < before / 5


def test_slow_motion_of_interlaced_pictures_shows_every_field(tmp_path):
    path = interlaced(tmp_path / "fields.mp4")
    slow = {"slow_from_ms": 400, "slow_to_ms": 800, "slow_factor": 2}
    frames = rendered(path, tmp_path / "out", 1_600, **slow)
    assert len(frames) == 50
    lefts = [int(np.nonzero(frame[90, :, 0] > 160)[0].min()) for frame in frames[12:28]]
    steps = np.diff(lefts)
    assert (np.abs(steps[np.abs(steps) < 100] - 8) <= 3).all(), "a field's way each, not two and none"
