"""Every odd file there is: a montage of it is rendered and passes the check, or there is a reason why not."""

import re
from pathlib import Path

import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import MontagePlan
from fanreel.errors import FanreelError, InputRejected, TransientFault

from .montage_sources import plan_of

pytestmark = pytest.mark.integration

CLIP_MS = 1_200
REJECTED = {
    "media3_mp4_long_edit_list_audioonly.mp4": "no_video_stream",
    "media3_mp4_sample_malformed_free_box.mp4": "not_a_video",
    "moviepy_with-attached-pic.mp3": "no_video_stream",
}
"""What cannot be opened, by reason; everything else has to render."""

ODD = Path(__file__).parents[3] / "shared" / "media" / "video"
NAMES = sorted(
    str(path.relative_to(ODD)) for pattern in ("odd/*", "shots/*.mp4") for path in ODD.glob(pattern)
) or ["none"]


def plan_over(duration_ms: int) -> MontagePlan:
    """One to three clips from the start to the very end."""
    count = min(3, max(1, duration_ms // (CLIP_MS + 300)))
    length_ms = min(CLIP_MS, duration_ms)
    starts = [index * (duration_ms - length_ms) // max(1, count - 1) for index in range(count)]
    return plan_of(*(("v", start, start + length_ms) for start in starts))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", NAMES)
def test_any_file_renders_or_says_why_not(shared_media: Path, tmp_path: Path, name: str) -> None:
    source = FileSource(shared_media / "video" / name)
    if source.path.name in REJECTED:
        with pytest.raises(InputRejected) as refused:
            probe(source)
        assert refused.value.code == REJECTED[source.path.name]
        return
    media = probe(source)
    rendered = render_montage(plan_over(media.duration_ms), {"v": RenderSource(str(source.path), media)}, tmp_path)
    assert abs(rendered.av_offset_ms) < 40


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name",
    [
        "odd/media3_mp4_sample_portrait.mp4",
        "odd/moviepy_big_buck_bunny_432_433.webm",
        "odd/media3_avi_sample.avi",
        "odd/media3_ts_sample_h264_iframes_only.ts",
    ],
)
def test_a_file_damaged_after_it_was_analysed_renders_or_says_why_not(
    shared_media: Path, tmp_path: Path, name: str
) -> None:
    """Every tenth of the file in turn is overwritten, or all after it is missing."""
    whole = FileSource(shared_media / "video" / name)
    media, content = probe(whole), whole.path.read_bytes()
    plan = plan_of(("v", 0, min(800, media.duration_ms)))
    damaged = tmp_path / f"damaged{whole.path.suffix}"
    codes: set[str] = set()
    for tenth in (0, 4, 8):
        at, size = len(content) * tenth // 10, len(content) // 10
        for bytes_ in (content[:at] + b"\x5a" * size + content[at + size :], content[:at]):
            damaged.write_bytes(bytes_)
            try:
                render_montage(plan, {"v": RenderSource(str(damaged), media)}, tmp_path / "out")
                codes.add("rendered")
            except (InputRejected, TransientFault) as fault:
                codes.add(stable(fault))
    assert len(codes) > 1, codes
    assert not list((tmp_path / "out").glob(".*")), "temporary files were left"


def stable(fault: FanreelError) -> str:
    assert re.fullmatch(r"source_unreadable|render_failed", fault.code), fault
    return fault.code
