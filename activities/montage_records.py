"""A fan's montage document and the files that belong to it.

Every change is made to the document as it was seen before the decision was taken: who was overtaken in between
changes nothing and decides again. Files of a montage that is no longer current are named in the document until
they are deleted, so that an interrupted step leaves none behind.
"""

from fanreel.adapters.services import Services
from fanreel.contracts import MontageDocument, MontagePlan, MontageWork
from fanreel.domain import naming
from fanreel.domain.cancelling import (
    UPDATE_CANCELLED,
    UPDATE_FAILED,
    is_held,
    is_same_but_progress,
    is_under_way,
    nothing_planned,
    with_told_progress,
    withheld,
)
from fanreel.errors import TransientFault

from .base import log
from .montage_plans import gather, may_have_montages, style_of

WITHDRAWN = "withdrawn"


def current_montage(services: Services, work: MontageWork) -> MontageDocument | None:
    """Return the fan's montage of the event as it is now."""
    return services.documents.get(MontageDocument, naming.montage_document_id(work.event_id), work.fan_id)


def rendering(plan: MontagePlan, *, failed: str | None = None) -> MontageDocument:
    """Return the document of a montage that is being made, or could not be, for the reason `failed`."""
    return MontageDocument(
        id=naming.montage_document_id(plan.event_id),
        fan_id=plan.fan_id,
        event_id=plan.event_id,
        montage_id=plan.montage_id,
        status="failed" if failed else "rendering",
        reason=failed,
        plan=plan,
        duration_ms=plan.duration_ms,
        version=0,
    )


def updating(current: MontageDocument, plan: MontagePlan) -> MontageDocument:
    """Return a montage that is out, with `plan` as what is made to follow it."""
    reason = None if current.reason == UPDATE_CANCELLED else current.reason
    update = {"pending_id": plan.montage_id, "progress": 0.0, "reason": reason}
    return current if current.pending_id == plan.montage_id else current.model_copy(update=update)


def source_missing(out: MontageDocument | None, best: MontagePlan) -> MontageDocument | None:
    """Return the document of a plan nothing is left to make of; None when what is `out` stays as it is.

    Asked to make a held update after all, it cannot be: kept held, it would wait for a run that has ended.
    """
    if out is None:
        return rendering(best, failed="source_missing")
    update = {"reason": UPDATE_FAILED, "pending_id": "", "progress": 1.0}
    return out.model_copy(update=update) if is_held(out) else None


def replace_montage(
    services: Services, seen: MontageDocument | None, new: MontageDocument
) -> MontageDocument | None:
    """Write `new` if the document is still as `seen` (None: not there); None when somebody was faster.

    What `seen` was, and had replaced itself, is remembered as superseded, its age and version go on.
    """
    if seen is None:
        return services.documents.create(new)
    superseded = {*seen.superseded, *new.superseded, seen.montage_id, seen.pending_id}
    superseded -= {new.montage_id, new.pending_id, ""}
    update: dict[str, object] = {"created_at": seen.created_at, "superseded": tuple(sorted(superseded))}
    update["cancels"] = seen.cancels
    is_out = (seen.status, seen.montage_id) == ("ready", new.montage_id)
    update["version"] = seen.version + 1 if new.status == "ready" and not is_out else seen.version
    return _swap(services, seen, new.model_copy(update=update))


def settle(services: Services, document: MontageDocument) -> None:
    """Delete the files of everything this document has superseded."""
    if document.superseded:
        for montage_id in document.superseded:
            delete_files(services, document.fan_id, montage_id)
        _swap(services, document, document.model_copy(update={"superseded": ()}))


def withdraw(services: Services, seen: MontageDocument | None) -> bool:
    """Take a montage back with all its files; False when it is no longer as `seen` and nothing was done.

    First nobody can see it any more, then its files go, then the document: done again, it finishes.
    """
    if seen is None:
        return True
    hidden = seen
    if seen.reason != WITHDRAWN:
        superseded = tuple(sorted({*seen.superseded, seen.pending_id} - {""}))
        update: dict[str, object] = {"status": "failed", "reason": WITHDRAWN, "files": {}, "pending_id": ""}
        update["superseded"] = superseded
        marked = _swap(services, seen, seen.model_copy(update=update))
        if marked is None:
            return False
        hidden = marked
    for montage_id in {*hidden.superseded, hidden.montage_id} - {""}:
        delete_files(services, hidden.fan_id, montage_id)
    services.documents.delete(MontageDocument, hidden.id, hidden.fan_id, etag=hidden.etag)
    log.info("montage.withdrawn", montage_id=hidden.montage_id)
    return True


def give_up(services: Services, work: MontageWork, reason: str) -> None:
    """Note that `work` could not be made: what waits for it has failed, what is out is no longer up to date.

    What is out and shows what may no longer be shown is hidden: nothing else would come and take it back. What
    another run makes is left to it: it is published only if it is what would be planned then.
    """
    current = current_montage(services, work)
    if not may_have_montages(services, work.fan_id):
        withdraw(services, current)
        if work.montage_id:
            delete_files(services, work.fan_id, work.montage_id)
        return
    if current is not None and current.status == "ready" and not _may_stay_out(services, work, current):
        log.info("montage.hidden", montage_id=current.montage_id, reason=reason)
        if replace_montage(services, current, _hidden(work, current, reason)) is None:
            raise TransientFault("montage_contended", "Others keep changing this montage; try again later.")

    def failed(document: MontageDocument) -> MontageDocument | None:
        if is_held(document, work) or (not work.montage_id and is_under_way(document)):
            return None
        if document.status == "ready":
            return None if work.montage_id == document.montage_id else _without_update(document, work)
        if work.montage_id and document.montage_id != work.montage_id:
            return None
        return document.model_copy(update={"status": "failed", "reason": reason})

    document_id = naming.montage_document_id(work.event_id)
    known = services.documents.update(MontageDocument, document_id, work.fan_id, failed)
    if known is None and not work.montage_id:
        services.documents.create(rendering(nothing_planned(work.fan_id, work.event_id), failed=reason))
    if known is not None:
        settle(services, known)
    if work.montage_id and (known is None or known.status != "ready" or known.montage_id != work.montage_id):
        delete_files(services, work.fan_id, work.montage_id)


def delete_files(services: Services, fan_id: str, montage_id: str) -> None:
    """Delete everything stored under a montage's id."""
    settings = services.settings
    services.blobs.delete_prefix(settings.container_montages, f"{naming.fan_prefix(fan_id)}{montage_id}.")
    work = MontageWork(fan_id=fan_id, event_id="", montage_id=montage_id)
    services.blobs.delete(settings.container_results, rendered_blob(work))
    services.blobs.delete(settings.container_results, naming.montage_plan_blob(fan_id, montage_id))


def rendered_blob(work: MontageWork) -> str:
    """Blob of the document a rendered montage will be published as."""
    return f"{naming.montage_plan_blob(work.fan_id, work.montage_id)}.rendered"


def _without_update(montage: MontageDocument, work: MontageWork) -> MontageDocument:
    """Return a montage that is out and was not brought up to date by `work`."""
    update: dict[str, object] = {"reason": UPDATE_FAILED}
    # A planning that broke may have announced something first; whoever else makes it announces it again.
    if montage.pending_id and work.montage_id in ("", montage.pending_id):
        update |= {"pending_id": "", "progress": 1.0}
        update["superseded"] = tuple(sorted({*montage.superseded, montage.pending_id}))
    return montage.model_copy(update=update)


def _hidden(work: MontageWork, current: MontageDocument, reason: str) -> MontageDocument:
    """Return what takes the place of a montage that may not stay out: the one that another run renders, if any."""
    if is_held(current):
        return withheld(current)
    nothing = nothing_planned(work.fan_id, work.event_id)
    if is_under_way(current) and current.pending_id != work.montage_id:
        announced = rendering(nothing.model_copy(update={"montage_id": current.pending_id}))
        return announced.model_copy(update={"progress": current.progress})
    return rendering(nothing, failed=reason)


def _may_stay_out(services: Services, work: MontageWork, montage: MontageDocument) -> bool:
    try:
        material = gather(services, work)
        return material.shows(montage, style_of(services, material.look))
    except (
        Exception
    ) as fault:  # whatever made planning fail may be in the material: when in doubt, nobody is shown
        log.warning("montage.unverified", montage_id=montage.montage_id, error=type(fault).__name__)
        return False


def _swap(services: Services, seen: MontageDocument, new: MontageDocument) -> MontageDocument | None:
    """Write `new` over `seen`. The progress a render tells meanwhile overtakes nobody.

    It is told every 2 s, and planning may well take longer: comparing etags, no plan would ever come through.
    """
    written = False

    def change(document: MontageDocument) -> MontageDocument | None:
        nonlocal written
        written = is_same_but_progress(document, seen)
        return with_told_progress(new, document) if written else None

    known = services.documents.update(MontageDocument, seen.id, seen.fan_id, change)
    return known if written else None
