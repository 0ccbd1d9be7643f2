"""Montages that are being made or cancelled: which states there are, and what may follow which.

A montage that is being made becomes `cancelled`. One that is out while a newer one is made stays out and only
loses the newer (`UPDATE_CANCELLED`). Both are *held*: nothing is made for this fan and event, whatever else comes
in, until the very cancellation is lifted. A held montage is still taken back as soon as it shows what it may not.
"""

from fanreel.contracts import MontageDocument, MontagePlan, MontageWork

UPDATE_CANCELLED = "update_cancelled"
"""Reason of a montage that is out although a newer one was due: somebody cancelled that."""
UPDATE_FAILED = "update_failed"
"""Reason of a montage that is out although a newer one was due and could not be made."""
CANCELLED = "cancelled"
"""Reason why a montage is not made."""


def is_held(montage: MontageDocument | None, work: MontageWork | None = None) -> bool:
    """Say whether this montage was cancelled and not resumed, by `work` at least."""
    if montage is None or not (montage.status == "cancelled" or montage.reason == UPDATE_CANCELLED):
        return False
    return work is None or work.resumes != montage.cancels


def is_wanted(montage: MontageDocument | None, work: MontageWork) -> bool:
    """Say whether `work.montage_id` is what is being made for this document's fan and event."""
    if montage is None or is_held(montage):
        return False
    return being_made(montage) == work.montage_id != ""


def being_made(montage: MontageDocument) -> str:
    """Return the id of what is announced, or rendered by now, for this fan and event; empty: nothing."""
    if montage.status == "ready":
        return montage.pending_id
    return montage.montage_id if montage.status == "rendering" else ""


def is_under_way(montage: MontageDocument) -> bool:
    """Say whether a render of what is being made has begun: from its begin on it tells some progress.

    The run that renders also notes how that ends. What is only announced may be nobody's: its planning may have
    broken right afterwards.
    """
    return being_made(montage) != "" and montage.progress > 0


def is_same_but_progress(one: MontageDocument, other: MontageDocument) -> bool:
    """Say whether nothing was decided between two states of a document: a render told its progress at most."""
    return _decided(one) == _decided(other)


def with_told_progress(new: MontageDocument, current: MontageDocument) -> MontageDocument:
    """Return `new` with what the render that goes on has told meanwhile; another one's begins as `new` says."""
    goes_on = being_made(new) == being_made(current) != ""
    return new.model_copy(update={"progress": current.progress}) if goes_on else new


def _decided(montage: MontageDocument) -> MontageDocument:
    return montage.model_copy(update={"progress": 0.0, "updated_at": None, "etag": None})


def cancelled(montage: MontageDocument) -> MontageDocument | None:
    """Return the montage with what is being made cancelled; None when nothing is."""
    held: dict[str, object] = {"pending_id": "", "progress": 0.0, "cancels": montage.cancels + 1}
    if montage.status == "ready" and montage.pending_id:
        superseded = tuple(sorted({*montage.superseded, montage.pending_id}))
        return montage.model_copy(update={**held, "reason": UPDATE_CANCELLED, "superseded": superseded})
    if montage.status == "rendering":
        return withheld(montage.model_copy(update=held))
    return None


def withheld(montage: MontageDocument) -> MontageDocument:
    """Return the montage as one that is cancelled and tells nothing: no clips, no files."""
    superseded = {*montage.superseded, montage.montage_id, montage.pending_id} - {""}
    return montage.model_copy(
        update={
            "status": "cancelled",
            "reason": None,
            "montage_id": "",
            "plan": nothing_planned(montage.fan_id, montage.event_id),
            "duration_ms": 0,
            "files": {},
            "av_offset_ms": None,
            "loudness_lufs": None,
            "true_peak_dbtp": None,
            "pending_id": "",
            "progress": 0.0,
            "superseded": tuple(sorted(superseded)),
        }
    )


def nothing_planned(fan_id: str, event_id: str) -> MontagePlan:
    """Return the plan of a montage there is none for."""
    return MontagePlan(
        montage_id="", fan_id=fan_id, event_id=event_id, clips=(), duration_ms=0, crossfade_ms=0, width=0, height=0
    )
