"""What clients see of our documents: never a template, never a face, never a storage path that is not a link."""

from typing import Any

from pydantic import Field

from fanreel.adapters.blobs import BlobStore
from fanreel.contracts import FanDocument, MontageDocument, VideoDocument, Wire
from fanreel.domain.selfie_checks import FACE_CODES
from fanreel.settings import Settings


class ConsentGiven(Wire):
    """The consent part of a registration; the server adds the time."""

    given: bool
    text_version: str = Field(min_length=1, max_length=64)


class FanRegistration(Wire):
    """Body of `POST /fans`."""

    fan_id: str
    event_ids: tuple[str, ...] = Field(min_length=1, max_length=100)
    consent: ConsentGiven


def fan_view(fan: FanDocument) -> dict[str, Any]:
    """Return what a fan is told about their enrolment."""
    selfies = [
        {
            "file": one.blob_name.partition("/")[2],
            "etag": one.blob_etag.strip('"'),
            "status": one.status,
            "reason": one.reason,
            "hint": one.hint,
            "advice": [code for code in one.advice if code in FACE_CODES],
        }
        for one in fan.selfies
    ]
    return {
        "fanId": fan.fan_id,
        "status": fan.status,
        "reason": fan.reason,
        "eventIds": list(fan.event_ids),
        "consent": bool(fan.consent and fan.consent.given),
        "selfies": selfies,
        "searching": fan.status == "enrolling"
        or fan.searched_selfies < len(fan.selfies)
        or fan.searched_round < fan.search_round,
        "searchReason": fan.search_reason,
    }


def video_view(video: VideoDocument) -> dict[str, Any]:
    """Return the state and progress of a video."""
    return {
        "videoId": video.video_id,
        "eventId": video.event_id,
        "name": video.name,
        "profile": video.profile,
        "title": video.title,
        "subtitle": video.subtitle,
        "status": video.status,
        "reason": video.reason,
        "reasonDetail": video.reason_detail,
        "durationMs": video.duration_ms,
        "segments": video.counts().to_wire(),
        "shots": len(video.shots),
        "appearances": video.appearances,
        "people": video.people,
        "highlights": len(video.highlights),
        "gaps": [gap.to_wire() for gap in video.gaps],
        "createdAt": video.created_at.isoformat() if video.created_at else None,
        "updatedAt": video.updated_at.isoformat() if video.updated_at else None,
    }


def video_details_view(video: VideoDocument) -> dict[str, Any]:
    """Return the same with what is heard: where each kind of sound is, and per second how much the crowd is up."""
    return {
        **video_view(video),
        "sounds": [event.to_wire() for event in video.sounds],
        "crowd": [round(value, 3) for value in video.crowd],
    }


def montage_view(montage: MontageDocument, blobs: BlobStore, settings: Settings) -> dict[str, Any]:
    """Return a montage with links that work for a few minutes; none while it is not ready."""
    links = {
        kind: blobs.download_url(
            settings.container_montages, name, filename=f"{montage.event_id}-{montage.montage_id}.{kind}"
        )
        for kind, name in sorted(montage.files.items())
        if montage.status == "ready"
    }
    return {
        "eventId": montage.event_id,
        "montageId": montage.montage_id,
        "status": montage.status,
        "reason": montage.reason,
        "version": montage.version,
        "progress": montage.progress,
        "isUpdating": bool(montage.pending_id),
        "durationMs": montage.duration_ms,
        # Where the face is in every look is for the renderer: hundreds of numbers a clip.
        "clips": [clip.model_dump(mode="json", by_alias=True, exclude={"focus"}) for clip in montage.plan.clips],
        "links": links,
        "updatedAt": montage.updated_at.isoformat() if montage.updated_at else None,
    }
