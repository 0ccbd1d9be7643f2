"""What the API does to fans: register with consent, and erase."""

from fanreel.adapters.services import Services
from fanreel.contracts import (
    Consent,
    Document,
    FanDocument,
    MatchDocument,
    MontageDocument,
    SelfieWork,
    utc_now,
)
from fanreel.domain import naming
from fanreel.errors import NotAllowed

from .intake import Start
from .views import FanRegistration


def register(services: Services, wanted: FanRegistration) -> tuple[bool, Start | None]:
    """Create or complete a fan; says whether they are new, and which search an added event sets off.

    Consent is recorded with the server's time. Raises NotAllowed `fan_erased` for somebody who asked to be
    forgotten: their id is not used again.
    """
    consent = Consent(
        given=wanted.consent.given, text_version=wanted.consent.text_version, given_at=utc_now().isoformat()
    )
    events = tuple(dict.fromkeys(wanted.event_ids))
    fan = FanDocument(id=wanted.fan_id, fan_id=wanted.fan_id, event_ids=events, consent=consent)
    if services.documents.create(fan) is not None:
        return True, None
    added: list[str] = []

    def completed(known: FanDocument) -> FanDocument | None:
        if known.status == "erased":
            raise NotAllowed("fan_erased", "This fan asked to be forgotten.", fan_id=known.fan_id)
        added[:] = [event for event in events if event not in known.event_ids]
        if not added and known.consent is not None and known.consent.given == consent.given:
            return None
        return known.model_copy(update={"event_ids": (*known.event_ids, *added), "consent": consent})

    known = services.documents.update(FanDocument, wanted.fan_id, wanted.fan_id, completed)
    return False, _search(known, added) if known is not None and added else None


def erase(services: Services, fan_id: str) -> bool:
    """Erase everything about a fan but an empty tombstone; False when nobody is known by this id.

    The tombstone is written first, so that whatever is under way finds it and stops; erasing again finishes
    what an interrupted erasure left.
    """
    known = services.documents.update(
        FanDocument,
        fan_id,
        fan_id,
        lambda fan: FanDocument(
            id=fan_id, fan_id=fan_id, event_ids=(), status="erased", created_at=fan.created_at
        ),
    )
    if known is None:
        return False
    kinds: tuple[type[Document], ...] = (MontageDocument, MatchDocument)
    for kind in kinds:
        for row in list(services.documents.select(kind, ["id"], "", {}, partition=fan_id)):
            services.documents.delete(kind, row["id"], fan_id)
    settings = services.settings
    services.blobs.delete_prefix(settings.container_selfies, naming.fan_prefix(fan_id))
    services.blobs.delete_prefix(settings.container_montages, naming.fan_prefix(fan_id))
    services.blobs.delete_prefix(settings.container_results, naming.fan_results_prefix(fan_id))
    return True


def _search(fan: FanDocument, added: list[str]) -> Start | None:
    """Return the enrolment that searches added events with a selfie the fan already has."""
    selfie = next((one for one in fan.selfies if one.status == "accepted"), None)
    if selfie is None:
        return None
    work = SelfieWork(fan_id=fan.fan_id, blob_name=selfie.blob_name, blob_etag=selfie.blob_etag)
    instance_id = naming.enroll_instance_id(
        fan.fan_id, selfie.blob_name, f"{selfie.blob_etag} {' '.join(sorted(added))}"
    )
    return Start("enroll_fan", instance_id, work)
