"""Reading and moving on the `videos` document, shared by the activities of an analysis."""

from collections.abc import Callable

from fanreel.adapters.services import Services
from fanreel.contracts import (
    TERMINAL_VIDEO_STATUSES,
    SegmentPlanDocument,
    VideoDocument,
    VideoStatus,
    VideoWork,
)
from fanreel.domain import naming

# A step repeated late (at-least-once) must not move a video back.
_ORDER: tuple[VideoStatus, ...] = ("received", "analyzing", "matching", "rendering")


def load_plan(services: Services, video_id: str) -> SegmentPlanDocument:
    """Return the segment plan of a video."""
    return services.blobs.require_json(
        services.settings.container_results, naming.plan_blob(video_id), SegmentPlanDocument
    )


def update_video(
    services: Services, work: VideoWork, change: Callable[[VideoDocument], VideoDocument]
) -> VideoDocument | None:
    """Change the document of this upload's analysis; a finished one, or another upload's, is left alone."""

    def guarded(document: VideoDocument) -> VideoDocument | None:
        over = document.status in TERMINAL_VIDEO_STATUSES or not _is_of(document, work)
        return None if over else change(document)

    return services.documents.update(VideoDocument, work.video_id, work.video_id, guarded)


def is_overtaken(services: Services, work: VideoWork) -> bool:
    """Say whether another upload of the same content has taken this one's place, or the document is gone."""
    document = services.documents.get(VideoDocument, work.video_id, work.video_id)
    return document is None or not _is_of(document, work)


def advanced(document: VideoDocument, status: VideoStatus) -> VideoDocument:
    """Return the document moved on to `status`, never back."""
    if document.status in _ORDER and _ORDER.index(document.status) >= _ORDER.index(status):
        return document
    return document.model_copy(update={"status": status})


def _is_of(document: VideoDocument, work: VideoWork) -> bool:
    return document.instance_id == naming.video_instance_id(work.blob_name, work.blob_etag)
