"""What an upload means: a video to analyse, a selfie to take in, or nothing new."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote

import structlog
from azure.storage.blob import BlobClient

from fanreel.adapters.media.source import fingerprint
from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, FanSearch, MontageWork, SelfieWork, VideoDocument, VideoWork
from fanreel.domain import naming
from fanreel.errors import InputRejected
from fanreel.profiles import DEFAULT, load_profile

from .identifiers import is_identifier

log = structlog.get_logger()

MAX_TITLE_LENGTH = 80
"""What fits on a title card in two lines."""
PROFILE_REASONS = frozenset({"unknown_profile", "bad_profile"})
"""Why an upload is refused for its metadata: with better metadata the same video is welcome."""
UNSORTED_EVENT = "unsorted"
"""Event under which uploads outside any event's folder are listed, so that somebody sees them."""

Use: TypeAlias = Literal["same", "retake", "adopt", "duplicate"]
"""What an upload of known content is: the very upload that was recorded (its event came twice, or the host
stopped before the start); a new start, because the recorded one failed or its file is gone; the new place of a
finished video's file; or nothing new, because the recorded file is still there."""


@dataclass(frozen=True, slots=True)
class Start:
    """An orchestration to start, if it was not yet."""

    orchestrator: Literal["analyze_video", "enroll_fan", "apply_review", "make_montage"]
    instance_id: str
    work: VideoWork | SelfieWork | FanSearch | MontageWork


def receive_video(services: Services, client: BlobClient) -> Start | None:
    """Write the `videos` document of an upload; None when there is nothing to start.

    The same content uploaded again to the same event is the same video: nothing starts, unless it failed or
    lost its file (overwriting one with the same bytes gives it another etag) before it was finished.
    A redelivered upload event answers the same start again, which is a no-op when the instance lives.
    """
    blob_name, etag, metadata = _identity(client)
    event_id, _, name = blob_name.partition("/")
    if not name or not is_identifier(event_id):
        _reject_path(services, blob_name, etag)
        return None
    source = services.blobs.source(services.settings.container_videos, blob_name, etag)
    try:
        video_id = naming.video_id(event_id, fingerprint(source))
    except InputRejected as rejected:  # overwritten or deleted meanwhile; a newer upload has its own event
        log.info("video.superseded", reason=rejected.code, name=name)
        return None
    document = VideoDocument(
        id=video_id,
        video_id=video_id,
        event_id=event_id,
        name=name,
        blob_name=blob_name,
        blob_etag=etag,
        instance_id=naming.video_instance_id(blob_name, etag),
        status="received",
        profile=metadata.get("profile", DEFAULT),
        title=metadata.get("title", ""),
        subtitle=metadata.get("subtitle", ""),
    )
    try:
        load_profile(document.profile, services.settings.profile_dir)
    except InputRejected as rejected:
        _reject_profile(services, document, rejected)
        return None
    start = Start(
        "analyze_video",
        document.instance_id,
        VideoWork(video_id=video_id, event_id=event_id, blob_name=blob_name, blob_etag=etag),
    )
    if services.documents.create(document) is not None:
        log.info("video.received", video_id=video_id, event_id=event_id, name=name)
        return start
    return start if _takes_over(services, document, metadata) else None


def receive_selfie(services: Services, client: BlobClient) -> Start | None:
    """Return the enrolment to start for a selfie; None when it is nobody's or of a fan who was erased.

    A fan nobody has registered yet gets a document without consent, in which the selfie is then refused.
    """
    blob_name, etag, _ = _identity(client)
    fan_id, _, name = blob_name.partition("/")
    if not name or not is_identifier(fan_id):
        log.warning("selfie.rejected", reason="bad_path")
        return None
    services.documents.create(FanDocument(id=fan_id, fan_id=fan_id, event_ids=()))
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    if fan is None or fan.status == "erased":
        services.blobs.delete(services.settings.container_selfies, blob_name)
        log.info("selfie.fan_erased", fan_id=fan_id)
        return None
    work = SelfieWork(fan_id=fan_id, blob_name=blob_name, blob_etag=etag)
    return Start("enroll_fan", naming.enroll_instance_id(fan_id, blob_name, etag), work)


def _identity(client: BlobClient) -> tuple[str, str, dict[str, str]]:
    """Return an upload's name, etag without quotes and metadata, keys in lower case."""
    properties = client.get_blob_properties()
    metadata = {str(key).lower(): _plain(str(value)) for key, value in (properties.metadata or {}).items()}
    return str(client.blob_name), str(properties.etag).strip('"'), metadata


def _plain(value: str) -> str:
    """Return one line of text: headers carry ASCII only, so that anything else comes percent-encoded."""
    printable = "".join(letter if letter.isprintable() else " " for letter in unquote(value))
    return " ".join(printable.split())[:MAX_TITLE_LENGTH]


def _takes_over(services: Services, upload: VideoDocument, asked: Mapping[str, str]) -> bool:
    """Say whether this upload starts although its content is known; `asked` is its metadata."""
    known = services.documents.get(VideoDocument, upload.video_id, upload.video_id)
    if known is not None and _use(services, known, upload, asked) == "retake":
        # Before the document says so: a redelivery after a crash in between must come by here again.
        _forget_failures(services, upload.video_id)
    use: list[Use] = []

    def taken(current: VideoDocument) -> VideoDocument | None:
        use[:] = [_use(services, current, upload, asked)]
        if use == ["retake"]:
            return upload.model_copy(update={"created_at": current.created_at})
        if use == ["adopt"]:
            place = {"name": upload.name, "blob_name": upload.blob_name, "blob_etag": upload.blob_etag}
            return current.model_copy(update=place)
        return None

    services.documents.update(VideoDocument, upload.video_id, upload.video_id, taken)
    if use and use[0] in ("same", "retake"):
        log.info("video.taken_again", video_id=upload.video_id, name=upload.name, use=use[0])
        return True
    log.info("video.duplicate", video_id=upload.video_id, name=upload.name, adopted=use == ["adopt"])
    return False


def _use(services: Services, known: VideoDocument, upload: VideoDocument, asked: Mapping[str, str]) -> Use:
    refused = known.status == "rejected"
    if known.instance_id == upload.instance_id and not (refused and known.reason in PROFILE_REASONS):
        return "same"
    if known.status == "failed" or (refused and _may_be_welcome_now(known.reason or "")):
        return "retake"
    if known.status in ("ready", "ready_partial") and _wants_another_look(known, upload, asked):
        return "retake"
    if services.blobs.etag(services.settings.container_videos, known.blob_name) == known.blob_etag:
        return "duplicate"
    if known.status in ("ready", "ready_partial"):
        return "adopt"
    # Not a video then is not one now; anything unfinished is stuck, for it reads a version that is gone.
    return "duplicate" if known.status == "rejected" else "retake"


def _may_be_welcome_now(reason: str) -> bool:
    return reason.startswith("blob_") or reason in PROFILE_REASONS


def _wants_another_look(known: VideoDocument, upload: VideoDocument, asked: Mapping[str, str]) -> bool:
    """Say whether the upload names a profile or a title that the video does not have; silence changes nothing."""
    return any(
        key in asked and getattr(known, key) != getattr(upload, key) for key in ("profile", "title", "subtitle")
    )


def _forget_failures(services: Services, video_id: str) -> None:
    """Give segments that failed in an earlier analysis another chance; finished ones keep their result."""
    container = services.settings.container_results
    for name in list(services.blobs.list_names(container, f"{video_id}/")):
        if name.endswith((".failed", ".leased")):
            services.blobs.delete(container, name)


def _reject_profile(services: Services, upload: VideoDocument, rejected: InputRejected) -> None:
    """Say on the video's document what is wrong with the metadata; a video known from before stays as it is."""
    refusal = {"status": "rejected", "reason": rejected.code, "reason_detail": rejected.message}
    services.documents.create(upload.model_copy(update=refusal))
    log.warning("video.rejected", reason=rejected.code, video_id=upload.video_id)


def _reject_path(services: Services, blob_name: str, etag: str) -> None:
    video_id = naming.video_id(UNSORTED_EVENT, f"{blob_name} {etag}")
    services.documents.create(
        VideoDocument(
            id=video_id,
            video_id=video_id,
            event_id=UNSORTED_EVENT,
            name=blob_name,
            blob_name=blob_name,
            blob_etag=etag,
            instance_id=naming.video_instance_id(blob_name, etag),
            status="rejected",
            reason="bad_path",
            reason_detail="Upload to <event>/<name>; an event has up to 63 letters, digits, - and _.",
        )
    )
    log.warning("video.rejected", reason="bad_path", video_id=video_id)
