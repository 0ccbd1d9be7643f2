"""A selfie becomes (part of) a fan's template (DESIGN §2, last paragraph)."""

from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, SelfieOutcome, SelfieRecord, SelfieWork
from fanreel.domain import naming
from fanreel.domain.enrolment import NO_CONSENT_HINT, with_enrolment_started, with_selfie
from fanreel.domain.matching import baseline_calibration
from fanreel.errors import InputRejected
from fanreel.inference.selfies import HINTS, measure_selfie

from .base import activity, log
from .duplicates import mark_duplicates
from .networks import networks

SELFIE_LIMIT_BYTES = 30_000_000
"""Phones make pictures of up to about 15 MB; a larger one is refused before it is in memory."""

SEARCH_FAILED = "search_failed"
FAULT_HINT = "Something went wrong on our side; please add the picture again."


@activity
def embed_selfie(services: Services, work: SelfieWork) -> SelfieOutcome:
    """Measure a selfie and take it into the `fans` document; without recorded consent it is not looked at."""
    fan = services.documents.get(FanDocument, work.fan_id, work.fan_id)
    if fan is None or fan.status == "erased":
        return SelfieOutcome(accepted=False, reason="fan_erased")
    model_contract = networks().model_contract
    record = next((one for one in fan.selfies if _is_of(one, work)), None)
    if record is None:
        services.documents.update(FanDocument, fan.id, fan.fan_id, _started)
        no_consent = _refused(work, "consent_missing", NO_CONSENT_HINT)
        record = _measured(services, work) if _consents(fan) else no_consent
        if record is None:
            return SelfieOutcome(accepted=False, reason="superseded")

        def taken_in(document: FanDocument) -> FanDocument | None:
            # Erased, consent withdrawn or the picture replaced while this one was being measured.
            if document.status == "erased" or _is_replaced(services, work):
                return None
            return with_selfie(
                document, record if _consents(document) else no_consent, model_contract, baseline_calibration()
            )

        fan = services.documents.update(FanDocument, fan.id, fan.fan_id, taken_in)
        if fan is None or fan.status == "erased":
            return SelfieOutcome(accepted=False, reason="fan_erased")
    mark_duplicates(services, fan.fan_id)
    kept = next((one for one in fan.selfies if _is_of(one, work)), None)
    if kept is None:
        return SelfieOutcome(accepted=False, reason="superseded")
    log.info("selfie.measured", status=kept.status, reason=kept.reason)
    accepted = kept.status == "accepted"
    return SelfieOutcome(
        accepted=accepted, reason=kept.reason, event_ids=fan.event_ids if fan.template is not None else ()
    )


@activity
def abandon_selfie(services: Services, work: SelfieWork) -> None:
    """Record that a selfie could not be processed, after the last retry, so that the fan knows."""
    record = _refused(work, "selfie_not_processed", FAULT_HINT)
    is_known = False

    def noted(document: FanDocument) -> FanDocument | None:
        nonlocal is_known
        is_known = any(_is_of(one, work) for one in document.selfies)
        if document.status == "erased" or is_known:
            return None
        status = "ready" if document.template is not None else "rejected"
        return document.model_copy(
            update={
                "selfies": (*document.selfies, record),
                "status": status,
                "reason": None if status == "ready" else record.reason,
            }
        )

    services.documents.update(FanDocument, work.fan_id, work.fan_id, noted)
    # A picture that had been taken in before is still good; what could not be done is to search with it.
    _finish(services, work, SEARCH_FAILED if is_known else None)


@activity
def finish_enrolment(services: Services, work: SelfieWork) -> None:
    """Count this selfie's search as finished."""
    _finish(services, work, None)


@activity
def abandon_search(services: Services, work: SelfieWork) -> None:
    """Count this selfie's search as finished, after the last retry, and say that it failed."""
    _finish(services, work, SEARCH_FAILED)


def _finish(services: Services, work: SelfieWork, failure: str | None) -> None:
    """Count a search by one empty blob per selfie, so that doing it twice counts once."""
    container = services.settings.container_results
    services.blobs.put_marker(container, naming.searched_blob(work.fan_id, work.blob_name, work.blob_etag))
    searched = set(services.blobs.list_names(container, naming.searched_prefix(work.fan_id)))

    def counted(document: FanDocument) -> FanDocument | None:
        if document.status == "erased":
            return None
        finished = sum(
            naming.searched_blob(document.fan_id, one.blob_name, one.blob_etag) in searched
            for one in document.selfies
        )
        # Others finish at the same time and may have seen more markers than this one.
        return document.model_copy(
            update={
                "searched_selfies": max(finished, document.searched_selfies),
                "searched_round": max(work.search_round, document.searched_round),
                "search_reason": failure or document.search_reason,
            }
        )

    fan = services.documents.update(FanDocument, work.fan_id, work.fan_id, counted)
    if fan is None or fan.status == "erased":
        services.blobs.delete_prefix(container, naming.fan_results_prefix(work.fan_id))


def _measured(services: Services, work: SelfieWork) -> SelfieRecord | None:
    """Return the selfie's record; None when another picture has taken its place (it has its own enrolment)."""
    try:
        data = services.blobs.read_bytes(
            services.settings.container_selfies,
            work.blob_name,
            limit_bytes=SELFIE_LIMIT_BYTES,
            etag=work.blob_etag,
        )
    except InputRejected as rejected:
        if rejected.code == "blob_changed":
            return None
        reason = "selfie_too_large" if rejected.code == "file_too_large" else "selfie_unreadable"
        return _refused(work, reason, HINTS[reason])
    return measure_selfie(data, networks(), blob_name=work.blob_name, blob_etag=work.blob_etag)


def _started(document: FanDocument) -> FanDocument | None:
    return None if document.status == "erased" else with_enrolment_started(document)


def _is_replaced(services: Services, work: SelfieWork) -> bool:
    etag = services.blobs.etag(services.settings.container_selfies, work.blob_name)
    return etag is not None and etag != work.blob_etag.strip('"')


def _consents(fan: FanDocument) -> bool:
    return fan.consent is not None and fan.consent.given


def _is_of(record: SelfieRecord, work: SelfieWork) -> bool:
    return (record.blob_name, record.blob_etag) == (work.blob_name, work.blob_etag)


def _refused(work: SelfieWork, reason: str, hint: str) -> SelfieRecord:
    return SelfieRecord(
        blob_name=work.blob_name, blob_etag=work.blob_etag, status="rejected", reason=reason, hint=hint
    )
