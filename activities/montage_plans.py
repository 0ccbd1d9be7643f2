"""What a fan's montage can be made of, and what would be planned of it now."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fanreel.adapters.originals import is_in_storage
from fanreel.adapters.services import Services
from fanreel.contracts import (
    AppearanceDocument,
    FanDocument,
    MatchDocument,
    MontageClip,
    MontageDocument,
    MontagePlan,
    MontageWork,
    RenderStyle,
    VideoDocument,
)
from fanreel.domain.montage import Moment, MontageStyle, find_moments, opener_shots, shows_nobody
from fanreel.domain.montage import plan_montage as plan_clips
from fanreel.domain.profiles import Profile
from fanreel.errors import InputRejected
from fanreel.profiles import DEFAULT, beside_profile, profile_or_default


@dataclass(frozen=True, slots=True)
class EventLook:
    """By which profile an event's montages are made, and what they call the event."""

    profile: str = DEFAULT
    title: str = ""
    subtitle: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """The fan's matches in an event, the videos, and everybody seen in their shots or where it could open."""

    matches: tuple[MatchDocument, ...]
    appearances: Mapping[str, AppearanceDocument]
    videos: Mapping[str, VideoDocument]
    look: EventLook = EventLook()

    def shows(self, montage: MontageDocument | None, style: MontageStyle) -> bool:
        """Say whether a montage is out and the fan may be shown in everything in it now.

        A clip names the best of the appearances it shows, so that asking for that one's match is not enough.
        """
        if montage is None or montage.status != "ready":
            return False
        moments = find_moments(
            montage.fan_id, montage.event_id, self.matches, self.appearances, self.videos, style
        )
        return all(
            self._opens(clip, moments, style)
            if clip.kind == "opener"
            else any(_lies_in(clip, moment) for moment in moments)
            for clip in montage.plan.clips
        )

    def _opens(self, clip: MontageClip, moments: Sequence[Moment], style: MontageStyle) -> bool:
        """Say whether a clip leads to one of the fan's shots and nobody is what it shows."""
        video = self.videos.get(clip.video_id)
        if video is None:
            return False
        own = {moment.shot_index for moment in moments if moment.video_id == clip.video_id}
        # Only of these shots is everybody who is seen in them known here.
        known = {index for shot in own for index in opener_shots(video.shots, shot, style)}
        shown = (clip.start_ms, clip.end_ms)
        return any(shows_nobody(shown, index, video, self.appearances.values(), style) for index in known)


def style_of(services: Services, look: EventLook) -> MontageStyle:
    """Return the style that the event's profile and the settings ask for."""
    settings = services.settings
    return profile_or_default(look.profile, settings.profile_dir).montage_style(
        settings.montage_height, min_ms=settings.montage_min_ms, max_ms=settings.montage_max_ms
    )


def gather(services: Services, work: MontageWork) -> Material:
    """Read what is known; empty for somebody who may have no montage (erased, unknown, without consent)."""
    if not may_have_montages(services, work.fan_id):
        return Material((), {}, {})
    documents = services.documents
    matches = tuple(
        documents.query(
            MatchDocument,
            "c.eventId = @event AND c.decision = 'match'",
            {"@event": work.event_id},
            partition=work.fan_id,
        )
    )
    by_video: dict[str, list[str]] = {}
    for match in matches:
        by_video.setdefault(match.video_id, []).append(match.appearance_id)
    found = [documents.get(VideoDocument, video_id, video_id) for video_id in by_video]
    videos = {video.video_id: video for video in found if video is not None}
    look = event_look(services, work.event_id)
    style = style_of(services, look)
    appearances: dict[str, AppearanceDocument] = {}
    for video_id, video in videos.items():
        appearances |= _seen(services, video, by_video[video_id], style)
    return Material(matches, appearances, videos, look)


def best_plan(services: Services, work: MontageWork, material: Material) -> MontagePlan | None:
    """Return the plan of everything known, wherever its video is by now."""
    look = material.look
    profile = profile_or_default(look.profile, services.settings.profile_dir)
    return plan_clips(
        work.fan_id,
        work.event_id,
        material.matches,
        material.appearances,
        material.videos,
        style_of(services, look),
        _with_music(services, profile, profile.render_style(look.title, look.subtitle)),
        profile=profile.name,
    )


def plan_of_what_is_there(
    services: Services, work: MontageWork, material: Material, best: MontagePlan
) -> MontagePlan | None:
    """Return `best`, or the plan without the videos that left storage or were overwritten by others."""
    if all(is_in_storage(services, material.videos[clip.video_id]) for clip in best.clips):
        return best
    there = {key: video for key, video in material.videos.items() if is_in_storage(services, video)}
    return best_plan(services, work, replace(material, videos=there))


def holds(services: Services, work: MontageWork) -> bool:
    """Say whether `work.montage_id` is what would be planned now."""
    material = gather(services, work)
    best = best_plan(services, work, material)
    if best is None or best.montage_id == work.montage_id:
        return best is not None
    plan = plan_of_what_is_there(services, work, material, best)
    return plan is not None and plan.montage_id == work.montage_id


def may_have_montages(services: Services, fan_id: str) -> bool:
    """Say whether a fan is known, not erased, and consents."""
    fan = services.documents.get(FanDocument, fan_id, fan_id)
    return fan is not None and fan.status != "erased" and fan.consent is not None and fan.consent.given


def event_look(services: Services, event_id: str) -> EventLook:
    """Return the one profile and the one title of an event: the first that any of its videos names, by name.

    For all fans alike, whichever of the videos they are in.
    """
    fields = ("id", "name", "status", "profile", "title", "subtitle")
    rows = services.documents.select(VideoDocument, fields, "c.eventId = @event", {"@event": event_id})
    videos = sorted(
        (row for row in rows if row.get("status") != "rejected"), key=lambda row: (row["name"], row["id"])
    )
    named = next((row["profile"] for row in videos if row.get("profile", DEFAULT) != DEFAULT), DEFAULT)
    titled = next((row for row in videos if row.get("title")), {})
    return EventLook(named, titled.get("title", ""), titled.get("subtitle", ""))


def _with_music(services: Services, profile: Profile, style: RenderStyle) -> RenderStyle:
    """Return the style with what its music is, not only what it is called; a missing file plays nothing."""
    if not style.music_bed:
        return style
    try:
        path = beside_profile(profile.name, style.music_bed, services.settings.profile_dir)
    except InputRejected:
        return style
    return style.model_copy(update={"music_sha256": _sha256(path, path.stat().st_mtime_ns)})


@lru_cache(maxsize=16)
def _sha256(path: Path, _changed_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _lies_in(clip: MontageClip, moment: Moment) -> bool:
    same_video = clip.video_id == moment.video_id
    return same_video and moment.from_ms <= clip.start_ms and clip.end_ms <= moment.to_ms


def _seen(
    services: Services, video: VideoDocument, ids: Sequence[str], style: MontageStyle
) -> dict[str, AppearanceDocument]:
    """Return these appearances, everybody else's in the same shots, and all in what could lead to these."""
    video_id = video.video_id
    own = {
        one.id: one
        for one in services.documents.query(
            AppearanceDocument, "ARRAY_CONTAINS(@ids, c.id)", {"@ids": list(ids)}, partition=video_id
        )
    }
    shots = {one.shot_index for one in own.values()}
    shots |= {index for shot in shots for index in opener_shots(video.shots, shot, style)}
    others = services.documents.query(
        AppearanceDocument, "ARRAY_CONTAINS(@shots, c.shotIndex)", {"@shots": sorted(shots)}, partition=video_id
    )
    return {one.id: one for one in others} | own
