"""What a cancellation makes of a montage, and what lifts it."""

import pytest

from fanreel.contracts import MontageClip, MontageDocument, MontagePlan, MontageWork
from fanreel.domain.cancelling import UPDATE_CANCELLED, cancelled, is_held, is_wanted, withheld

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
