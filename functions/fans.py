"""What the API does to fans: register with consent, take consent back, and erase."""

from collections.abc import Sequence

from fanreel.adapters.services import Services
from fanreel.contracts import (
    TERMINAL_VIDEO_STATUSES,
    Consent,
    Document,
    FanDocument,
    FanPageOutcome,
    MatchDocument,
    MontageDocument,
    ReviewDocument,
    SelfieWork,
    VideoDocument,
    utc_now,
)
from fanreel.domain import naming
from fanreel.domain.duplicates import with_duplicate
from fanreel.errors import NotAllowed

from .intake import Start
from .views import FanRegistration

CONSENT_WITHDRAWN = "consent_withdrawn"

_OF_FAN = "c.fanId = @fan"
_MARKED_WITH_FAN = "ARRAY_CONTAINS(c.duplicateOf, @fan)"


def register(services: Services, wanted: FanRegistration) -> tuple[bool, Start | None]:
    """Create or complete a fan; says whether they are new, and which search to start unless it was.

    Consent is recorded with the server's time. Taking it back (`given` false) erases selfies, templates, matches,
    montages and what was said of them in reviews; the fan stays registered. Raises NotAllowed `fan_erased` for
    somebody who asked to be forgotten: their id is not used again.
    """
    consent = Consent(
        given=wanted.consent.given, text_version=wanted.consent.text_version, given_at=utc_now().isoformat()
    )
    events = tuple(dict.fromkeys(wanted.event_ids))
    fan = FanDocument(id=wanted.fan_id, fan_id=wanted.fan_id, event_ids=events, consent=consent)
    if services.documents.create(fan) is not None:
        return True, None

    def completed(known: FanDocument) -> FanDocument | None:
        if known.status == "erased":
            raise NotAllowed("fan_erased", "This fan asked to be forgotten.", fan_id=known.fan_id)
        return _completed(known, events, consent)

    known = services.documents.update(FanDocument, wanted.fan_id, wanted.fan_id, completed)
    if not consent.given:
        _forget_biometrics(services, wanted.fan_id)
        return False, None
    return False, None if known is None else _search(known)


def erase(services: Services, fan_id: str) -> bool:
    """Erase everything about a fan but an empty tombstone; False when nobody is known by this id.

    The tombstone is written first, so that whatever is under way finds it and stops; erasing again finishes
    what an interrupted erasure left.
    """
    events: tuple[str, ...] = ()

    def erased(fan: FanDocument) -> FanDocument:
        nonlocal events
        events = fan.event_ids
        return FanDocument(id=fan_id, fan_id=fan_id, event_ids=(), status="erased", created_at=fan.created_at)

    if services.documents.update(FanDocument, fan_id, fan_id, erased) is None:
        return False
    _forget_biometrics(services, fan_id)
    _strike_from_pages(services, fan_id, events)
    return True


def _completed(known: FanDocument, events: Sequence[str], consent: Consent) -> FanDocument | None:
    """Return the fan with further events and this consent; None when nothing changes."""
    added = tuple(event for event in events if event not in known.event_ids)
    is_same = known.consent is not None and known.consent.given == consent.given
    update: dict[str, object] = {
        "event_ids": (*known.event_ids, *added),
        "consent": known.consent if is_same else consent,
    }
    if not consent.given:
        update |= {"status": "created", "reason": CONSENT_WITHDRAWN, "selfies": (), "searched_selfies": 0}
        update |= {"template": None, "model_contract": None, "search_reason": None}
        update |= {"cohesion": None, "duplicate_of": ()}
        return known.model_copy(update={**update, "searched_round": known.search_round})
    if known.reason == CONSENT_WITHDRAWN:
        update["reason"] = None
    if (added or known.search_reason) and _accepted(known):
        update |= {"search_round": known.search_round + 1, "search_reason": None}
    changed = known.model_copy(update=update)
    return None if changed == known else changed


def _accepted(fan: FanDocument) -> tuple[tuple[str, str], ...]:
    return tuple((one.blob_name, one.blob_etag) for one in fan.selfies if one.status == "accepted")


def _search(fan: FanDocument) -> Start | None:
    """Return the enrolment that searches again with a selfie the fan already has; None when none is due.

    A request that is repeated, because its answer or the start was lost, answers the same instance.
    """
    selfies = _accepted(fan)
    if fan.searched_round >= fan.search_round or not selfies:
        return None
    blob_name, blob_etag = selfies[0]
    work = SelfieWork(fan_id=fan.fan_id, blob_name=blob_name, blob_etag=blob_etag, search_round=fan.search_round)
    instance_id = naming.enroll_instance_id(fan.fan_id, blob_name, f"{blob_etag} search {fan.search_round}")
    return Start("enroll_fan", instance_id, work)


def _forget_biometrics(services: Services, fan_id: str) -> None:
    """Delete all of a fan but their own document, what others can see first."""
    kinds: tuple[type[Document], ...] = (MontageDocument, MatchDocument)
    for kind in kinds:
        for row in list(services.documents.select(kind, ["id"], "", {}, partition=fan_id)):
            services.documents.delete(kind, row["id"], fan_id)
    for row in list(services.documents.select(ReviewDocument, ["id", "eventId"], _OF_FAN, {"@fan": fan_id})):
        services.documents.delete(ReviewDocument, row["id"], row["eventId"])
    for row in list(services.documents.select(FanDocument, ["fanId"], _MARKED_WITH_FAN, {"@fan": fan_id})):
        services.documents.update(
            FanDocument,
            row["fanId"],
            row["fanId"],
            lambda other: with_duplicate(other, fan_id, is_duplicate=False),
        )
    settings = services.settings
    services.blobs.delete_prefix(settings.container_montages, naming.fan_prefix(fan_id))
    services.blobs.delete_prefix(settings.container_selfies, naming.fan_prefix(fan_id))
    services.blobs.delete_prefix(settings.container_results, naming.fan_results_prefix(fan_id))


def _strike_from_pages(services: Services, fan_id: str, events: Sequence[str]) -> None:
    """Take a fan's id off the lists of fans found in finished videos of these events (of all, when unknown).

    A video that is still being worked on writes its own lists; they hold an id, no biometrics.
    """
    finished = ", ".join(f"'{status}'" for status in sorted(TERMINAL_VIDEO_STATUSES))
    where, parameters = f"c.status IN ({finished})", {}
    if events:
        where, parameters = f"{where} AND ARRAY_CONTAINS(@events, c.eventId)", {"@events": list(events)}
    container = services.settings.container_results
    for row in list(services.documents.select(VideoDocument, ["videoId"], where, parameters)):
        for name in list(services.blobs.list_names(container, naming.fan_pages_prefix(row["videoId"]))):
            page = services.blobs.get_json(container, name, FanPageOutcome)
            if page is not None and fan_id in page.fan_ids:
                others = tuple(other for other in page.fan_ids if other != fan_id)
                services.blobs.put_json(container, name, FanPageOutcome(fan_ids=others), overwrite=True)
