"""What a montage's films show: the fan in upright pictures, cards, lower thirds, slow motion, previews.

Everything is read from the rendered pixels.
"""

import math
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fanreel.adapters.media import render_preview
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.render_check import check_montage
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import FocusPoint, MontageClip, MontagePlan, RenderStyle
from fanreel.domain.montage import Poster, place_clips

from .montage_sources import H264, flashes_s, make, picture, plan_of, sound

pytestmark = pytest.mark.integration

WIDTH, HEIGHT, SIDE = 320, 180, 30
"""Of the source, and of the red square that stands for the face."""


def marker_x(t: float) -> float:
    """Where the square's left side is: it swings through the whole picture in six seconds."""
    return 145 + 140 * math.sin(2 * math.pi * t / 6)


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Path:
    """A grey test picture through which a red square moves."""
    path = tmp_path_factory.mktemp("marked") / "marked.mp4"
    ground = f"testsrc2=s={WIDTH}x{HEIGHT}:r=25:d=6,hue=s=0,eq=contrast=0.4[ground]"
    square = f"color=c=red:s={SIDE}x{SIDE}:r=25:d=6[square]"
    moved = "[ground][square]overlay=x='145+140*sin(2*PI*t/6)':y=70:eval=frame"
    return make(path, "-f", "lavfi", "-i", f"{ground};{square};{moved}", "-qp", "8", *H264)


def source(path: Path) -> RenderSource:
    return RenderSource(str(path), probe(FileSource(path)))


def focused(start_ms: int, end_ms: int, *, every_ms: int = 200, **more) -> MontageClip:
    """A clip whose focus follows the square as a detector would: now and then, and a little off."""
    noise = np.random.default_rng(7)
    points = []
    for pts_ms in range(start_ms, end_ms + every_ms, every_ms):
        left = marker_x(pts_ms / 1000) + noise.uniform(-2, 2)
        points.append(FocusPoint(pts_ms=pts_ms, box=(round(left), 70, round(left) + SIDE, 70 + SIDE)))
    return MontageClip(
        video_id="v",
        start_ms=start_ms,
        end_ms=end_ms,
        score=0.5,
        reason="",
        appearance_id="a",
        focus=tuple(points),
        **more,
    )


def plan_for(*clips: MontageClip, **style) -> MontagePlan:
    return plan_of(("v", 0, 1_000)).model_copy(update={"clips": clips, "render": RenderStyle(**style)})


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def red(frame: np.ndarray) -> np.ndarray:
    """Where a picture is red: the square, fades excepted."""
    red_, green, blue = (frame[:, :, index].astype(int) for index in range(3))
    return np.logical_and(red_ > 120, np.maximum(green, blue) < 90)


# --- upright ---------------------------------------------------------------------------------------------


def test_upright_film_shows_the_whole_face_in_every_frame_and_pans_evenly(marked, tmp_path):
    plan = plan_for(focused(200, 5_800), formats=("16:9", "9:16"))
    rendered = render_montage(plan, {"v": source(marked)}, tmp_path)
    assert {"mp4", "vertical.mp4"} <= set(rendered.files)
    assert rendered.containment == 1.0
    upright = frames_of(rendered.files["vertical.mp4"])
    assert len(upright) == 140
    assert upright[0].shape == (320, 180, 3)
    side = SIDE * 320 / 180
    wide = frames_of(rendered.files["mp4"])
    crops = []
    for index, frame in enumerate(upright):
        rows, columns = np.nonzero(red(frame))
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == pytest.approx((side, side), abs=3), f"frame {index}"
        crops.append(np.nonzero(red(wide[index]))[1].min() * 320 / 180 - columns.min())
    assert check_montage(rendered.files["vertical.mp4"], place_clips(plan, Fraction(25)), (180, 320)) < 40
    # The window's own way across the source: it swings with the square, without a tremor.
    path = np.array(crops)
    assert np.ptp(path) > 150
    turns = np.sign(np.diff(path.round()[np.append(True, np.abs(np.diff(path)) > 1.5)]))
    assert np.count_nonzero(np.diff(turns)) <= 2, "the square turns twice, and so may the camera"


def test_a_still_face_under_a_jittery_box_gives_a_still_picture(tmp_path):
    path = make(
        tmp_path / "still.mp4",
        "-f",
        "lavfi",
        "-i",
        f"color=c=gray:s={WIDTH}x{HEIGHT}:r=25:d=3,drawbox=x=200:y=70:w={SIDE}:h={SIDE}:c=red:t=fill",
        *H264,
    )
    noise = np.random.default_rng(3)
    clip = focused(0, 3_000)
    boxes = tuple(
        FocusPoint(pts_ms=t, box=(200 + d, 70, 230 + d, 100))
        for t, d in zip(range(0, 3_000, 100), noise.integers(-6, 7, 30), strict=True)
    )
    plan = plan_for(clip.model_copy(update={"focus": boxes}), formats=("9:16",))
    rendered = render_montage(plan, {"v": source(path)}, tmp_path / "out")
    assert "vertical.mp4" not in rendered.files, "the first format is the film"
    lefts = [np.nonzero(red(frame))[1].min() for frame in frames_of(rendered.files["mp4"])]
    assert np.ptp(lefts) <= 1, "what the encoder blurs"


def test_portrait_and_close_up_are_fitted_without_distortion(tmp_path):
    """A circle stays a circle, whole, over a ground that is not black."""
    for size, (x, y) in {"240x1200": (120, 600), "640x360": (320, 180)}.items():
        drawn = f"color=c=gray:s={size}:r=25:d=2,geq=r='if(lt(hypot(X-{x},Y-{y}),110),255,120)':g=120:b=120"
        path = make(tmp_path / f"{size}.mp4", "-f", "lavfi", "-i", drawn, *H264)
        box = (x - 110, y - 110, x + 110, y + 110)
        clip = focused(0, 2_000).model_copy(update={"focus": (FocusPoint(pts_ms=0, box=box),)})
        rendered = render_montage(
            plan_for(clip, formats=("9:16",)), {"v": source(path)}, tmp_path / size, encoder="libx264"
        )
        frame = frames_of(rendered.files["mp4"])[20].astype(int)
        rows, columns = np.nonzero(frame[:, :, 0] - frame[:, :, 1] > 95)
        assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=4)
        assert np.ptp(rows) >= 35
        assert frame[2, 90].min() > 30, "blurred ground at the top"
        assert rendered.containment == 1.0


def test_an_opener_without_focus_shows_the_middle(marked, tmp_path):
    opener = focused(1_000, 2_400).model_copy(update={"focus": (), "kind": "opener"})
    rendered = render_montage(plan_for(opener, formats=("9:16",)), {"v": source(marked)}, tmp_path)
    assert rendered.containment is None
    columns = np.nonzero(red(frames_of(rendered.files["mp4"])[0]))[1]
    assert not len(columns), "the square is at 266 of 320 then, the middle ends at 211"


# --- slow motion -----------------------------------------------------------------------------------------


def counted(path: Path, rate: str, length_s: int = 4) -> Path:
    """A film whose brightness is its frame number, in steps that survive two encodings."""
    drawn = f"color=c=black:s={WIDTH}x{HEIGHT}:r={rate}:d={length_s},format=yuv420p,geq='16+4*mod(N,54)':128:128"
    return make(path, "-f", "lavfi", "-i", drawn, "-qp", "0", *H264)


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        levels = [frame.to_ndarray(format="yuv420p")[:HEIGHT].mean() for frame in container.decode(video=0)]
    return [round((level - 16) / 4) for level in levels]


def test_slow_motion_shows_every_frame_equally_often(tmp_path):
    path = counted(tmp_path / "n.mp4", "25")
    clip = focused(0, 2_000, slow_from_ms=800, slow_to_ms=1_200, slow_factor=3)
    rendered = render_montage(plan_for(clip), {"v": source(path)}, tmp_path / "out")
    wanted = [*range(20), *(n for n in range(20, 30) for _ in range(3)), *range(30, 50)]
    assert numbers(rendered.files["mp4"]) == wanted
    assert rendered.duration_ms == clip.played_ms


def test_slow_motion_of_fifty_pictures_a_second_shows_each_of_them(tmp_path):
    path = counted(tmp_path / "n.mp4", "50", 2)
    clip = focused(0, 1_000, slow_from_ms=400, slow_to_ms=800, slow_factor=2)
    rendered = render_montage(plan_for(clip), {"v": source(path)}, tmp_path / "out")
    assert numbers(rendered.files["mp4"]) == [*range(0, 20, 2), *range(20, 40), *range(40, 50, 2)]


# --- cards and lower thirds ------------------------------------------------------------------------------

STYLE = {
    "title": "Größe 2:1 Łódź",
    "subtitle": "Sunday",
    "intro_ms": 1_200,
    "end_text": "Thank you",
    "outro_ms": 1_200,
    "brand_colour": "#0a2060",
    "accent_colour": "#ff9010",
}


def near(frame: np.ndarray, rgb: tuple[int, int, int], by: int = 40) -> np.ndarray:
    return np.abs(frame.astype(int) - rgb).max(axis=2) < by


@pytest.mark.parametrize("form", ["16:9", "9:16"])
def test_cards_show_their_text_inside_the_safe_area_and_fade_into_the_film(marked, tmp_path, form):
    plan = plan_for(focused(1_000, 2_400), formats=(form,), **STYLE)
    rendered = render_montage(plan, {"v": source(marked)}, tmp_path)
    timeline = place_clips(plan, Fraction(25))
    frames = frames_of(rendered.files["mp4"])
    assert len(frames) == timeline.frames == 30 + 35 + 30 - 10
    height, width, _ = frames[0].shape
    for index in (15, len(frames) - 15):
        text = near(frames[index], (255, 255, 255))
        assert 0.003 < text.mean() < 0.2
        rows, columns = np.nonzero(text)
        assert 0.05 * width < columns.min()
        assert columns.max() < 0.95 * width
        assert 0.05 * height < rows.min()
        assert rows.max() < 0.95 * height
        assert near(frames[index], (10, 32, 96)).mean() > 0.5
        bar = frames[index].astype(int)
        assert (bar[:, :, 0] - bar[:, :, 2] > 60).any(), "a bar in the accent's colour"
    assert not near(frames[0], (255, 255, 255)).any(), "the text fades in"
    assert near(frames[45], (10, 32, 96)).mean() < 0.05, "the film follows"


def test_without_text_there_is_no_card(marked, tmp_path):
    plan = plan_for(focused(1_000, 2_400), **{**STYLE, "title": "", "subtitle": "", "end_text": ""})
    rendered = render_montage(plan, {"v": source(marked)}, tmp_path)
    frames = frames_of(rendered.files["mp4"])
    assert len(frames) == 35
    assert all(red(frame).any() for frame in frames)


def test_captions_come_and_go_below_and_what_they_say_is_only_ever_text(marked, tmp_path):
    """A caption that reads like a filter's expression is drawn like any other."""
    caption = "%{pts}':x=0,[in]null;movie=/etc/passwd 🎉 \\ jumps"
    clips = [focused(0, 2_400, caption=caption), focused(3_000, 5_000)]
    plan = plan_for(*clips, lower_third="caption", accent_colour="#00ff00", brand_colour="#000000")
    rendered = render_montage(plan, {"v": source(marked)}, tmp_path)
    shown = [near(frame, (0, 255, 0), 90).any() for frame in frames_of(rendered.files["mp4"])]
    assert not any(shown[:8])
    assert all(shown[14:48])
    assert not any(shown[57:]), "the second clip has none"


def test_the_title_is_shown_once_over_the_first_moment(marked, tmp_path):
    opener = focused(0, 1_600).model_copy(update={"kind": "opener", "focus": ()})
    plan = plan_for(
        opener,
        focused(2_000, 4_000),
        focused(4_000, 5_800),
        lower_third="title",
        title="Final",
        accent_colour="#00ff00",
    )
    rendered = render_montage(plan, {"v": source(marked)}, tmp_path)
    shown = [near(frame, (0, 255, 0), 90).any() for frame in frames_of(rendered.files["mp4"])]
    assert not any(shown[:40])
    assert any(shown[48:80])
    assert not any(shown[86:])


# --- poster, preview -------------------------------------------------------------------------------------


def test_preview_is_a_small_moving_picture_of_three_seconds(marked, tmp_path):
    rendered = render_montage(plan_for(focused(200, 5_800)), {"v": source(marked)}, tmp_path)
    file = rendered.files["webp"]
    assert file.stat().st_size < 1_000_000
    done, pictures = cv2.imreadmulti(str(file))
    assert done
    assert 35 <= len(pictures) <= 39
    assert min(pictures[0].shape[:2]) == 240
    assert np.abs(pictures[0].astype(int) - pictures[20]).max() > 100, "something moves"


def test_preview_of_a_single_picture_is_that_picture(marked, tmp_path):
    rendered = render_montage(plan_for(focused(1_000, 1_040)), {"v": source(marked)}, tmp_path)
    assert len(frames_of(rendered.files["mp4"])) == 1
    assert len(cv2.imreadmulti(str(rendered.files["webp"]))[1]) == 1


def test_preview_that_is_too_large_is_coded_worse(marked, tmp_path, monkeypatch):
    plan = plan_for(focused(200, 4_000))
    large = render_montage(plan, {"v": source(marked)}, tmp_path / "large").files["webp"].stat().st_size
    monkeypatch.setattr(render_preview, "MAX_PREVIEW_BYTES", large - 1)
    small = render_montage(plan, {"v": source(marked)}, tmp_path / "small").files["webp"]
    assert small.stat().st_size < large
    assert cv2.imreadmulti(str(small))[0]


def test_poster_follows_cards_and_slow_motion_and_can_be_made_over(marked, tmp_path):
    slow = focused(1_000, 3_000, slow_from_ms=1_000, slow_to_ms=2_000, slow_factor=2)
    plan = plan_for(slow, title="T", intro_ms=1_000)
    seen: list[tuple[int, ...]] = []

    def turned(picture_):
        seen.append(picture_.shape)
        return np.ascontiguousarray(picture_[::-1])

    rendered = render_montage(
        plan, {"v": source(marked)}, tmp_path, poster=Poster(0, 2_500), poster_picture=turned
    )
    poster = cv2.imread(str(rendered.files["jpg"]))
    assert poster is not None
    assert seen == [(HEIGHT, WIDTH, 3)]
    rows, columns = np.nonzero(red(poster[:, :, ::-1]))
    assert columns.min() == pytest.approx(marker_x(2.5), abs=6)
    assert rows.min() == pytest.approx(HEIGHT - 70 - SIDE, abs=2), "upside down, as asked"


def test_flashes_stay_in_place_behind_a_title_card(tmp_path):
    path = make(tmp_path / "plain.mp4", *picture(), *sound(), *H264)
    plan = plan_of(("v", 613, 2_513), ("v", 4_207, 6_411)).model_copy(
        update={"render": RenderStyle(title="T", intro_ms=1_000, formats=("16:9", "9:16"))}
    )
    rendered = render_montage(plan, {"v": source(path)}, tmp_path / "out")
    timeline = place_clips(plan, Fraction(25))
    wanted = [
        float(timeline.ms(placed.start_frame - placed.source_frame)) / 1000 + t
        for placed, t in zip(timeline.clips, (1.0, 5.0), strict=True)
    ]
    for kind in ("mp4", "vertical.mp4"):
        assert flashes_s(rendered.files[kind]) == pytest.approx(wanted, abs=0.022)
