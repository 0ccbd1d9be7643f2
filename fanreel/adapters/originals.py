"""The uploaded broadcasts behind analysed videos."""

from fanreel.adapters.media.source import fingerprint
from fanreel.adapters.services import Services
from fanreel.contracts import VideoDocument
from fanreel.domain import naming
from fanreel.errors import InputRejected


def is_in_storage(services: Services, video: VideoDocument) -> bool:
    """Say whether the blob a video was analysed from still has this content (its etag may have changed)."""
    container = services.settings.container_videos
    etag = services.blobs.etag(container, video.blob_name)
    if etag is None or etag == video.blob_etag.strip('"'):
        return etag is not None
    try:
        content = fingerprint(services.blobs.source(container, video.blob_name, etag))
    except InputRejected:  # overwritten once more, or gone, while it was read
        return False
    return naming.video_id(video.event_id, content) == video.video_id
