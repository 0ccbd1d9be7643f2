"""Who of the event's fans is in the video (DESIGN §2, step 9), from either end: a new video or a new selfie."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    FanDocument,
    FanPage,
    FanPageOutcome,
    FanSearch,
    MatchDocument,
    MatchOutcome,
    ReviewDocument,
    SearchedReviews,
    VideoDocument,
    VideoWork,
)
from fanreel.domain import naming
from fanreel.domain.matching import MatchPolicy, decide_matches, face_id_of, resolve_links
from fanreel.errors import TransientFault

from .base import activity, log
from .videos import advanced, update_video

FANS_PER_PAGE = 50
"""Fans handed to the orchestration at once: keeps every history short (DESIGN §4)."""

_SEARCHABLE = ("matching", "rendering", "ready", "ready_partial")
"""Statuses of a video whose appearances are in Cosmos."""

_GALLERY_ROUNDS = 10
"""Times a search is repeated because fans left the gallery under it, before the activity is retried as a whole."""


@activity
def match_video(services: Services, work: VideoWork) -> MatchOutcome:
    """Match a video's appearances against all fans of its event; matched fans wait in pages of 50."""

    def remember(fan_ids: Iterable[str]) -> None:
        _write_pages(services, work.video_id, _read_pages(services, work.video_id) | set(fan_ids))

    search_video(services, work.video_id, work.event_id, remember)
    fans = len(_read_pages(services, work.video_id))
    update_video(services, work, lambda document: advanced(document, "rendering"))
    return MatchOutcome(fans=fans, pages=-(-fans // FANS_PER_PAGE))


@activity
def load_fan_page(services: Services, work: FanPage) -> FanPageOutcome:
    """Return one page of the fans `match_video` found."""
    blob = naming.fan_page_blob(work.video.video_id, work.page)
    return services.blobs.require_json(services.settings.container_results, blob, FanPageOutcome)


@activity
def search_fan(services: Services, work: FanSearch) -> FanPageOutcome:
    """Look for a fan in what is analysed of one event; returns all fans whose montage may change.

    Others are among them: a new face in the gallery, or what people said, can take a match away from somebody.
    """
    blob = _searched_blob(work)
    container = services.settings.container_results

    def remember(fan_ids: Iterable[str]) -> None:
        known = services.blobs.get_json(container, blob, FanPageOutcome) or FanPageOutcome(fan_ids=())
        everyone = tuple(sorted({*known.fan_ids, *fan_ids}))
        if everyone != known.fan_ids:
            services.blobs.put_json(container, blob, FanPageOutcome(fan_ids=everyone), overwrite=True)

    remember([work.fan_id])
    if work.video_id:
        search_video(services, work.video_id, work.event_id, remember, for_review=True)
        affected = services.blobs.require_json(container, blob, FanPageOutcome)
        _forget_erased(services, work.fan_id)
        return affected
    for video_id in _searchable_videos(services, work.event_id):
        search_video(services, video_id, work.event_id, remember)
    return services.blobs.require_json(container, blob, FanPageOutcome)


@activity
def load_searched_fans(services: Services, work: FanSearch) -> FanPageOutcome:
    """Return all fans whose montage a search may have changed up to where it has got; nobody before it began."""
    known = services.blobs.get_json(services.settings.container_results, _searched_blob(work), FanPageOutcome)
    if work.video_id:
        _forget_erased(services, work.fan_id)
    return known or FanPageOutcome(fan_ids=())


def search_video(
    services: Services,
    video_id: str,
    event_id: str,
    remember: Callable[[Iterable[str]], None],
    *,
    for_review: bool = False,
) -> None:
    """Bring a video's `matches` in line with the event's gallery, and with what people said, as it is now.

    `remember` is given every fan who is matched, or was and no longer is, before anything is written, so
    that a repeated run forgets nobody. After a review it is given only those whose matches change, and when a
    search that began after that review has ended meanwhile, there is nothing left to do: somebody who answers
    many questions at once does not wait for as many searches.

    Searches of one video go one after another. So nobody who joins the gallery (or gets a better template)
    meanwhile need be waited for, however many do: each enrolment searches by itself after its template is
    stored, and the last search to write has seen all templates stored before it. So with reviews. Only leaving
    sets off no search: it is looked for after writing.
    """
    lock = naming.search_lock_blob(video_id)
    with services.blobs.exclusive(services.settings.container_results, lock) as hold:
        if for_review and _has_heard_all(services, video_id, event_id):
            return
        appearances = list(
            services.documents.query(AppearanceDocument, "c.template != null", {}, partition=video_id)
        )
        for _ in range(_GALLERY_ROUNDS):
            gallery = _gallery(services, event_id)
            reviews = _reviews(services, video_id, event_id)
            decided = _decide(services, gallery, appearances, reviews)
            hold()
            if not for_review:
                remember({match.fan_id for match in decided.matches.values() if match.decision == "match"})
            _write_matches(services, video_id, decided, remember)
            hold()
            if not _somebody_left(services, event_id, gallery):
                _note_heard(services, video_id, reviews)
                log.info("video.matched", matches=len(decided.matches), fans=len(gallery), searched=video_id)
                return
    raise TransientFault("gallery_unsettled", "Fans keep leaving faster than one search; try again later.")


def _searchable_videos(services: Services, event_id: str) -> list[str]:
    statuses = ", ".join(f"'{status}'" for status in _SEARCHABLE)
    where = f"c.eventId = @event AND c.status IN ({statuses})"
    rows = services.documents.select(VideoDocument, ["videoId"], where, {"@event": event_id})
    return [row["videoId"] for row in rows]


def _searched_blob(work: FanSearch) -> str:
    only = f"-{work.video_id}" if work.video_id else ""
    return f"{naming.fan_results_prefix(work.fan_id)}search-{work.event_id}{only}"


def _forget_erased(services: Services, fan_id: str) -> None:
    """Delete what a search has written about a fan who was erased since the verdict that set it off.

    Looked up after the last write: whoever is erased later deletes it themselves.
    """
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    if fan is None or fan.status == "erased":
        services.blobs.delete_prefix(services.settings.container_results, naming.fan_results_prefix(fan_id))


def _reviews(services: Services, video_id: str, event_id: str) -> list[ReviewDocument]:
    found = services.documents.query(
        ReviewDocument, "c.videoId = @video", {"@video": video_id}, partition=event_id
    )
    return list(found)


def _has_heard_all(services: Services, video_id: str, event_id: str) -> bool:
    """Say whether the last finished search of a video knew all that has been said about it."""
    name = naming.searched_reviews_blob(video_id)
    heard = services.blobs.get_json(services.settings.container_results, name, SearchedReviews)
    return heard is not None and heard == _heard(_reviews(services, video_id, event_id))


def _note_heard(services: Services, video_id: str, reviews: Sequence[ReviewDocument]) -> None:
    name = naming.searched_reviews_blob(video_id)
    services.blobs.put_json(services.settings.container_results, name, _heard(reviews), overwrite=True)


def _heard(reviews: Sequence[ReviewDocument]) -> SearchedReviews:
    return SearchedReviews(verdicts=naming.verdicts_digest({one.id: one.said for one in reviews}))


@dataclass(frozen=True, slots=True)
class _Decided:
    """What a search found, by match id, and what it could not look at."""

    matches: dict[str, MatchDocument]
    not_compared: frozenset[str]
    """Fans embedded by another network: what was found of them stands."""
    denied: frozenset[str]
    """Matches that people have ruled out."""

    def keeps(self, match: MatchDocument) -> bool:
        """Say whether a stored match stays."""
        stands = match.fan_id in self.not_compared and match.id not in self.denied
        return match.id in self.matches or stands


def _decide(
    services: Services,
    gallery: Sequence[FanDocument],
    appearances: Sequence[AppearanceDocument],
    reviews: Sequence[ReviewDocument],
) -> _Decided:
    policy = MatchPolicy(target_false_matches=services.settings.target_false_matches)
    compared = _comparable(gallery, appearances)
    decided = decide_matches(compared, appearances, policy, reviews=reviews)
    different = resolve_links(reviews, appearances).different
    seen = {one.id: one for one in appearances}
    return _Decided(
        matches={
            match.id: match.model_copy(update={"face_id": face_id_of(seen[match.appearance_id])})
            for match in decided
        },
        not_compared=frozenset({fan.fan_id for fan in gallery} - {fan.fan_id for fan in compared}),
        denied=frozenset(naming.match_id(appearance_id, fan_id) for fan_id, appearance_id in different),
    )


def _write_matches(
    services: Services, video_id: str, decided: _Decided, remember: Callable[[Iterable[str]], None]
) -> None:
    """Write what is new and delete what is no longer so."""
    documents = services.documents
    stored = {
        match.id: match for match in documents.query(MatchDocument, "c.videoId = @video", {"@video": video_id})
    }
    gone = [match for match in stored.values() if not decided.keeps(match)]
    new = [match for key, match in decided.matches.items() if key not in stored or _differ(match, stored[key])]
    remember({match.fan_id for match in (*gone, *new)})
    documents.upsert_many(new)
    for match in gone:
        documents.delete(MatchDocument, match.id, match.fan_id)


def _differ(one: MatchDocument, other: MatchDocument) -> bool:
    stamps: dict[str, object] = {"created_at": None, "updated_at": None, "etag": None}
    return one.model_copy(update=stamps) != other.model_copy(update=stamps)


def _gallery(services: Services, event_id: str) -> list[FanDocument]:
    return list(services.documents.query(FanDocument, _IN_GALLERY, {"@event": event_id}))


def _comparable(gallery: Sequence[FanDocument], appearances: Sequence[AppearanceDocument]) -> list[FanDocument]:
    """Return the fans embedded by the network the video was analysed with.

    Nothing new can be said about the others until one of both is embedded anew.
    """
    if not appearances:
        return list(gallery)
    network = appearances[0].model_contract  # one merge wrote them all
    return [fan for fan in gallery if fan.model_contract == network]


_IN_GALLERY = "ARRAY_CONTAINS(c.eventIds, @event) AND c.template != null AND c.consent.given = true"


def _somebody_left(services: Services, event_id: str, gallery: list[FanDocument]) -> bool:
    """Say whether somebody who was compared has been erased or has taken consent back."""
    rows = services.documents.select(FanDocument, ["fanId"], _IN_GALLERY, {"@event": event_id})
    return not {fan.fan_id for fan in gallery} <= {row["fanId"] for row in rows}


def _read_pages(services: Services, video_id: str) -> set[str]:
    container = services.settings.container_results
    fan_ids: set[str] = set()
    page = 0
    while (
        found := services.blobs.get_json(container, naming.fan_page_blob(video_id, page), FanPageOutcome)
    ) is not None:
        fan_ids.update(found.fan_ids)
        page += 1
    return fan_ids


def _write_pages(services: Services, video_id: str, fan_ids: set[str]) -> None:
    ordered = sorted(fan_ids)
    for page, first in enumerate(range(0, len(ordered), FANS_PER_PAGE)):
        outcome = FanPageOutcome(fan_ids=tuple(ordered[first : first + FANS_PER_PAGE]))
        services.blobs.put_json(
            services.settings.container_results, naming.fan_page_blob(video_id, page), outcome, overwrite=True
        )
