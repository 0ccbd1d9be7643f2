"""A video whose content is known already: whether its upload starts anything, and what it changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import structlog

from fanreel.adapters.services import Services
from fanreel.contracts import SegmentPlanDocument, VideoDocument
from fanreel.domain import naming
from fanreel.profiles import profile_or_default

log = structlog.get_logger()

Use: TypeAlias = Literal["same", "retake", "adopt", "rename", "duplicate"]
"""What an upload of known content is: the very upload that was recorded (its event came twice, or the host
stopped before the start); a new start, because the recorded one failed, its file is gone or another profile or
title is wanted; the new place of a finished video's file; a new title for one that is being worked on; or nothing
new, because the recorded file is still there."""

FINISHED = frozenset({"ready", "ready_partial"})
PROFILE_REASONS = frozenset({"unknown_profile", "bad_profile"})
"""Why an upload is refused for its metadata: with better metadata the same video is welcome."""
WISHES = ("profile", "title", "subtitle")
"""What an upload's metadata may ask for; silence changes nothing."""
SAME_SECOND_S = 0.5
"""Storage tells times in whole seconds: of two files written within one, neither is the newer."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload would be recorded as if it were new, and what its metadata said."""

    document: VideoDocument
    asked: Mapping[str, str]

    def wishes(self, known: VideoDocument) -> dict[str, str]:
        """Return what it asks for, and what the video has where it is silent."""
        return {key: self.asked.get(key, str(getattr(known, key))) for key in WISHES}

    @property
    def place(self) -> dict[str, str]:
        """Where its file lies."""
        return {key: str(getattr(self.document, key)) for key in ("name", "blob_name", "blob_etag")}


def takes_over(services: Services, upload: Upload) -> bool:
    """Say whether this upload starts although its content is known; its document is changed as it asks."""
    video_id = upload.document.video_id
    known = services.documents.get(VideoDocument, video_id, video_id)
    if known is not None and _use(services, known, upload) == "retake":
        # Before the document says so: a redelivery after a crash in between must come by here again.
        _forget_failures(services, video_id)
        _forget_other_look(services, known, upload)
    use: list[Use] = []

    def taken(current: VideoDocument) -> VideoDocument | None:
        use[:] = [_use(services, current, upload)]
        return _changed(current, upload, use[0])

    services.documents.update(VideoDocument, video_id, video_id, taken)
    starts = bool(use) and use[0] in ("same", "retake")
    what = "video.taken_again" if starts else "video.duplicate"
    log.info(what, video_id=video_id, name=upload.document.name, use=use[0] if use else "gone")
    return starts


def _changed(current: VideoDocument, upload: Upload, use: Use) -> VideoDocument | None:
    """Return the document as this use makes it; None where nothing changes.

    What an earlier analysis found stays until the next merge: montages are planned from it meanwhile.
    """
    wishes = upload.wishes(current)
    if use == "retake":
        anew = {"status": "received", "reason": None, "reason_detail": None, "segment_states": {}}
        instance = {"instance_id": upload.document.instance_id}
        return current.model_copy(update={**upload.place, **wishes, **anew, **instance})
    if use == "adopt":
        return current.model_copy(update=upload.place)
    if use == "rename":
        return current.model_copy(update={key: wishes[key] for key in ("title", "subtitle")})
    return None


def _use(services: Services, known: VideoDocument, upload: Upload) -> Use:
    refused = known.status == "rejected"
    if known.instance_id == upload.document.instance_id and not (refused and known.reason in PROFILE_REASONS):
        return "same"
    if known.status == "failed" or (refused and _may_be_welcome_now(known.reason or "")):
        return "retake"
    wanted = _wanted_otherwise(services, known, upload)
    if wanted and known.status in FINISHED:
        return "retake"
    if services.blobs.etag(services.settings.container_videos, known.blob_name) == known.blob_etag:
        return "rename" if wanted and not refused else "duplicate"
    if known.status in FINISHED:
        return "adopt"
    # Not a video then is not one now; anything unfinished is stuck, for it reads a version that is gone.
    return "duplicate" if refused else "retake"


def _may_be_welcome_now(reason: str) -> bool:
    return reason.startswith("blob_") or reason in PROFILE_REASONS


def _wanted_otherwise(services: Services, known: VideoDocument, upload: Upload) -> bool:
    """Say whether the upload asks for another profile or title than the video has, and is the newer one.

    The event of an older copy may come late, or again: it must not undo what a newer one has asked for.
    """
    if all(getattr(known, key) == value for key, value in upload.wishes(known).items()):
        return False
    if known.blob_name == upload.document.blob_name:
        return True
    container = services.settings.container_videos
    age_s = services.blobs.age_seconds(container, upload.document.blob_name)
    known_age_s = services.blobs.age_seconds(container, known.blob_name)
    return age_s is not None and (known_age_s is None or age_s < known_age_s - SAME_SECOND_S)


def _forget_failures(services: Services, video_id: str) -> None:
    """Give segments that failed in an earlier analysis another chance; finished ones keep their result."""
    container = services.settings.container_results
    for name in list(services.blobs.list_names(container, f"{video_id}/")):
        if name.endswith((".failed", ".leased")):
            services.blobs.delete(container, name)


def _forget_other_look(services: Services, known: VideoDocument, upload: Upload) -> None:
    """Have every segment looked at again where the profile's pitch or graphics differ from the plan's.

    The plan stays, for montages read it: only its profile changes.
    """
    settings = services.settings
    blob = naming.plan_blob(known.video_id)
    plan = services.blobs.get_json(settings.container_results, blob, SegmentPlanDocument)
    wanted = upload.wishes(known)["profile"]
    if plan is None or plan.profile == wanted:
        return
    before, after = (profile_or_default(name, settings.profile_dir).picture for name in (plan.profile, wanted))
    if (before.pitch, before.graphics) != (after.pitch, after.graphics):
        prefix = f"{known.video_id}/"
        for name in list(services.blobs.list_names(settings.container_results, prefix)):
            if re.fullmatch(r"\d+\.\d+", name.removeprefix(prefix)):
                services.blobs.delete(settings.container_results, name)
    changed = plan.model_copy(update={"profile": wanted})
    services.blobs.put_json(settings.container_results, blob, changed, overwrite=True)
