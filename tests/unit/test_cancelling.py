"""What a cancellation makes of a montage, and what lifts it."""

from datetime import UTC, datetime

import pytest

from fanreel.contracts import MontageClip, MontageDocument, MontagePlan, MontageWork
from fanreel.domain.cancelling import (
    UPDATE_CANCELLED,
    cancelled,
    is_held,
    is_same_but_progress,
    is_under_way,
    is_wanted,
    with_told_progress,
    withheld,
)

CLIP = MontageClip(video_id="v", start_ms=0, end_ms=2_000, score=1, reason="r", appearance_id="v-a00000")
PLAN = MontagePlan(
    montage_id="m-1", fan_id="ada", event_id="cup", clips=(CLIP,), duration_ms=2_000, crossfade_ms=200, width=1280,
    height=720,
)  # fmt: skip
MADE = MontageDocument(
    id="montage-cup", fan_id="ada", event_id="cup", montage_id="m-1", status="rendering", plan=PLAN,
    duration_ms=2_000, progress=0.4,
)  # fmt: skip
OUT = MADE.model_copy(update={"status": "ready", "files": {"mp4": "ada/m-1.mp4"}, "progress": 1.0})
UPDATED = OUT.model_copy(update={"pending_id": "m-2", "progress": 0.4})


def work(montage_id: str = "", resumes: int = 0) -> MontageWork:
    return MontageWork(fan_id="ada", event_id="cup", montage_id=montage_id, resumes=resumes)


def test_a_cancelled_montage_tells_nothing_of_what_it_would_have_shown() -> None:
    held = cancelled(MADE)
    assert held is not None
    assert (held.status, held.plan.clips, held.files, held.progress) == ("cancelled", (), {}, 0.0)
    assert held.superseded == ("m-1",), "so that whoever comes by deletes what was made of it"
    assert is_held(held)


def test_what_is_out_stays_out_without_its_update() -> None:
    held = cancelled(UPDATED)
    assert held is not None
    assert (held.status, held.files, held.plan) == ("ready", UPDATED.files, PLAN)
    assert (held.reason, held.pending_id, held.superseded) == (UPDATE_CANCELLED, "", ("m-2",))
    assert is_held(held)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_nothing_being_made_is_nothing_to_cancel(status: str) -> None:
    assert cancelled(MADE.model_copy(update={"status": status})) is None
    assert cancelled(OUT) is None


@pytest.mark.parametrize("montage", [MADE, UPDATED])
def test_only_the_run_that_names_the_latest_cancellation_lifts_it(montage: MontageDocument) -> None:
    first = cancelled(montage)
    assert first is not None
    second = cancelled(montage.model_copy(update={"cancels": first.cancels}))
    assert second is not None
    assert is_held(first, work())
    assert not is_held(first, work(resumes=1))
    assert is_held(second, work(resumes=1)), "a resumption that was itself cancelled lifts nothing"
    assert not is_held(second, work(resumes=2))


def test_wanted_is_what_is_being_made_and_nothing_else() -> None:
    assert is_wanted(MADE, work("m-1"))
    assert not is_wanted(MADE, work("m-0"))
    assert is_wanted(UPDATED, work("m-2"))
    assert not is_wanted(UPDATED, work("m-1"))
    assert not is_wanted(OUT, work("m-1"))
    assert not is_wanted(None, work("m-1"))
    for montage in (MADE, UPDATED):
        held = cancelled(montage)
        assert not is_wanted(held, work("m-1"))
        assert not is_wanted(held, work("m-2"))


def test_withheld_remembers_all_files_that_have_to_go() -> None:
    montage = UPDATED.model_copy(update={"superseded": ("m-0",)})
    assert withheld(montage).superseded == ("m-0", "m-1", "m-2")


def test_nothing_is_under_way_that_is_only_announced_or_has_ended() -> None:
    assert is_under_way(MADE)
    assert is_under_way(UPDATED)
    announced = {"progress": 0.0}
    for montage in (MADE, UPDATED):
        assert not is_under_way(montage.model_copy(update=announced))
        held = cancelled(montage)
        assert held is not None
        assert not is_under_way(held)
    assert not is_under_way(OUT), "its progress is that of what is out"
    assert not is_under_way(MADE.model_copy(update={"status": "failed"}))


def test_progress_told_meanwhile_is_no_decision_and_everything_else_is() -> None:
    later = {"progress": 0.6, "etag": "2", "updated_at": datetime(2026, 1, 2, tzinfo=UTC)}
    assert is_same_but_progress(MADE, MADE.model_copy(update=later))
    decisions = [
        {"status": "cancelled"}, {"montage_id": "m-2"}, {"pending_id": "m-2"}, {"reason": "withdrawn"},
        {"cancels": 1}, {"superseded": ("m-0",)}, {"version": 2}, {"files": {"mp4": "ada/m-1.mp4"}},
        {"created_at": datetime(2026, 1, 2, tzinfo=UTC)},
    ]  # fmt: skip
    for decision in decisions:
        assert not is_same_but_progress(MADE, MADE.model_copy(update=decision)), decision


def test_only_the_render_that_goes_on_keeps_its_progress() -> None:
    told = MADE.model_copy(update={"progress": 0.6})
    assert with_told_progress(MADE, told).progress == 0.6
    for new in (MADE.model_copy(update={"montage_id": "m-2", "progress": 0.0}), withheld(MADE)):
        assert with_told_progress(new, told).progress == 0.0
    taken_up_again = MADE.model_copy(update={"progress": 0.0})
    assert with_told_progress(taken_up_again, told.model_copy(update={"status": "failed"})).progress == 0.0
    shown_again = UPDATED.model_copy(update={"pending_id": "m-1", "progress": 0.0})
    assert with_told_progress(shown_again, told).progress == 0.6
    assert with_told_progress(OUT, told).progress == 1.0
