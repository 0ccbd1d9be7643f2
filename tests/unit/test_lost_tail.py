"""A file that is shorter than it says: the missing end is named as a gap."""

import pytest

from fanreel.contracts import SegmentPlanDocument
from fanreel.domain.media import plan_segments
from fanreel.domain.timeline import build_timeline
from tests.plain_media import plain_media

pytestmark = pytest.mark.unit


def plan(*, missing_ms: int) -> SegmentPlanDocument:
    media = plain_media(20_000, truncated=missing_ms > 0, missing_ms=missing_ms)
    return SegmentPlanDocument(
        video_id="v-1", media=media, segments=plan_segments(media, target_ms=45_000, overlap_ms=1_000)
    )


def test_the_missing_end_is_a_gap() -> None:
    gaps = build_timeline(plan(missing_ms=15_000), ()).gaps
    assert [(gap.start_ms, gap.end_ms) for gap in gaps if gap.reason == "truncated"] == [(20_000, 35_000)]


def test_a_whole_file_has_no_such_gap() -> None:
    assert "truncated" not in {gap.reason for gap in build_timeline(plan(missing_ms=0), ()).gaps}
