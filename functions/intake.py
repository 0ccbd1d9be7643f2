"""What an upload means: a video to analyse, a selfie to take in, or nothing new."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

import structlog
from azure.storage.blob import BlobClient

from fanreel.adapters.media.source import fingerprint
from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, FanSearch, MontageWork, SelfieWork, VideoDocument, VideoWork
from fanreel.domain import naming
from fanreel.domain.titles import plain_title
from fanreel.errors import InputRejected
from fanreel.profiles import DEFAULT, load_profile

from .identifiers import is_identifier
from .known_videos import Upload, takes_over

log = structlog.get_logger()

UNSORTED_EVENT = "unsorted"
"""Event under which uploads outside any event's folder are listed, so that somebody sees them."""


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
    return start if takes_over(services, Upload(document, metadata)) else None


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
    """Return an upload's name, etag without quotes and metadata, keys in lower case.

    Headers carry ASCII only, so that any other text comes percent-encoded.
    """
    properties = client.get_blob_properties()
    metadata = {
        str(key).lower(): plain_title(unquote(str(value))) for key, value in (properties.metadata or {}).items()
    }
    return str(client.blob_name), str(properties.etag).strip('"'), metadata


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
