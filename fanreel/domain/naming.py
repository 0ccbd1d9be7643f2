"""How things are named: ids and blob names are derived, never drawn, so that doing a step twice names it once."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence


def _short_hash(*parts: str) -> str:
    return hashlib.sha1("\n".join(parts).encode(), usedforsecurity=False).hexdigest()[:20]


def video_id(event_id: str, fingerprint: str) -> str:
    """Return the id of a broadcast: the same content uploaded again to the same event has the same id."""
    return f"v-{_short_hash(event_id, fingerprint)}"


def video_instance_id(blob_name: str, blob_etag: str) -> str:
    """Return the orchestration id of one upload; a duplicate event has the same."""
    return f"video-{_short_hash(blob_name, blob_etag.strip(chr(34)))}"


def enroll_instance_id(fan_id: str, blob_name: str, blob_etag: str) -> str:
    """Return the orchestration id of one selfie upload."""
    return f"enroll-{fan_id}-{_short_hash(blob_name, blob_etag.strip(chr(34)))}"


def segment_id(index: int) -> str:
    """Return the id of the index-th segment (sorts as text up to 100,000 segments)."""
    return f"{index:05d}"


def plan_blob(video: str) -> str:
    """Blob of the segment plan."""
    return f"{video}/plan"


def result_blob(video: str, segment: str, attempt: int) -> str:
    """Blob of one attempt's vision result."""
    return f"{video}/{segment}.{attempt}"


def failure_blob(video: str, segment: str, attempt: int) -> str:
    """Blob that says why one attempt of a segment will never have a result."""
    return f"{result_blob(video, segment, attempt)}.failed"


def lease_blob(video: str, segment: str, attempt: int) -> str:
    """Empty blob a worker keeps touching while it is at a job: tells a job in work from one still waiting."""
    return f"{result_blob(video, segment, attempt)}.leased"


def sound_blob(video: str, segment: str) -> str:
    """Blob of a segment's sound result (the activity is idempotent: one name)."""
    return f"{video}/{segment}.sound.1"


def insights_blob(video: str) -> str:
    """Blob of the raw curves behind a video's public view."""
    return f"{video}/insights"


def fan_page_blob(video: str, page: int) -> str:
    """Blob of one page of matched fan ids."""
    return f"{fan_pages_prefix(video)}{page}"


def fan_pages_prefix(video: str) -> str:
    """What the names of a video's pages of matched fan ids start with."""
    return f"{video}/matched-fans."


def search_lock_blob(video: str) -> str:
    """Empty blob whose lease says: somebody is deciding who is in this video."""
    return f"{video}/search.lock"


def appearance_id(video: str, index: int) -> str:
    """Id of the index-th appearance of a video (appearances are ordered by time, then place)."""
    return f"{video}-a{index:05d}"


def person_id(video: str, index: int) -> str:
    """Id of the index-th person of a video (ordered by screen time)."""
    return f"{video}-p{index:04d}"


def match_id(appearance: str, fan_id: str) -> str:
    """Id of the decision about one fan and one appearance."""
    return f"{appearance}-{_short_hash(fan_id)}"


def face_id(
    video: str, start_ms: int, end_ms: int, pts_ms: Sequence[int], boxes: Sequence[tuple[int, int, int, int]]
) -> str:
    """Id of a face by when and where it was seen, for appearance ids count anew.

    By every sighting: two people who are visible for a whole shot have the same span.
    """
    return f"f-{_short_hash(video, f'{start_ms}-{end_ms}', _numbers(pts_ms), *map(_numbers, boxes))}"


def _numbers(some: Iterable[int]) -> str:
    return ",".join(map(str, some))


def review_id(fan_id: str, face: str) -> str:
    """Id of what people say about one fan and one face (`face_id`)."""
    return f"r-{_short_hash(fan_id, face)}"


def verdicts_digest(said: Mapping[str, str]) -> str:
    """Return a name for what has been said of a video: `ReviewDocument.said` by the review's id."""
    return _short_hash(*(f"{name} {said[name]}" for name in sorted(said)))


def review_instance_id(review: str, said: str) -> str:
    """Return the orchestration id that makes the latest verdict of a review count (`ReviewDocument.said`)."""
    return f"review-{_short_hash(review, said)}"


def searched_reviews_blob(video: str) -> str:
    """Blob that says which verdicts the last finished search of a video knew."""
    return f"{video}/search.reviews"


def video_of_appearance(appearance: str) -> str:
    """Return the video an appearance's id belongs to."""
    return appearance.rpartition("-a")[0]


def montage_id(fan_id: str, event_id: str, clips: str) -> str:
    """Id of a montage from its fan, event and the text form of its plan."""
    return f"m-{_short_hash(fan_id, event_id, clips)}"


def montage_document_id(event_id: str) -> str:
    """Id of the Cosmos document holding a fan's current montage of an event."""
    return f"montage-{event_id}"


def resume_instance_id(fan_id: str, event_id: str, said: str) -> str:
    """Return the orchestration id that makes a montage again after the cancellation `said` names."""
    return f"resume-{_short_hash(fan_id, event_id, said)}"


def fan_prefix(fan_id: str) -> str:
    """What the names of a fan's blobs start with, in `selfies` and in `montages`."""
    return f"{fan_id}/"


def montage_plan_blob(fan_id: str, montage: str) -> str:
    """Blob of a planned montage, until it is rendered."""
    return f"fans/{fan_prefix(fan_id)}plan-{montage}"


def searched_blob(fan_id: str, blob_name: str, blob_etag: str) -> str:
    """Empty blob that says: the search this selfie set off has finished."""
    return f"{searched_prefix(fan_id)}{_short_hash(blob_name, blob_etag.strip(chr(34)))}"


def searched_prefix(fan_id: str) -> str:
    """What the names of a fan's finished searches start with."""
    return f"fans/{fan_prefix(fan_id)}searched-"


def fan_results_prefix(fan_id: str) -> str:
    """What the names of everything kept about one fan in `results` start with."""
    return f"fans/{fan_prefix(fan_id)}"
