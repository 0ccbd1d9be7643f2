"""An edit as OpenTimelineIO and as a CMX 3600 list: the same stretches of source, in frames of its own rate.

Source times count from the first presented frame, so that a conform at that rate lands on the same pictures.
Nothing here names a fan or holds a URL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import PlacedClip, Timeline

from .cmx3600 import reel_name, write_edl
from .timecode import can_drop, hour_frames

RECORD_START_HOURS = 1
"""Programmes begin at hour one: before it there is room for bars, slate and countdown."""
_EDL_CHANNELS = ("V", "A1", "A2")


@dataclass(frozen=True, slots=True)
class Source:
    """A video as an edit refers to it: a name an editor finds it by (never a link), and what is in it."""

    name: str
    length_ms: int
    has_sound: bool

    @classmethod
    def of(cls, name: str, media: MediaInfo) -> "Source":
        """Return the source a probed video is."""
        return cls(name, media.duration_ms, bool(media.audio))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is shown from one cut to the next: part of a video at one speed, or a card.

    The first `fade_frames` dissolve from what was before; they use the media after its last frame.
    """

    frames: int
    fade_frames: int = 0
    video_id: str | None = None
    """None: a card, black in an edit."""
    source_frame: int = 0
    factor: int = 1
    """Times every source frame is shown."""
    title: str = ""
    """What a marker or a card says."""
    marked_frame: int | None = None
    """Where in its source the marker stands; none: over all of it."""
    comments: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Why it is in, for OTIO's metadata."""


def montage_stretches(timeline: Timeline) -> list[Stretch]:
    """Return a montage's cards and clips cut at the beginning of each crossfade."""
    found: list[Stretch] = []
    if timeline.clips[0].start_frame:
        found.append(Stretch(timeline.clips[0].start_frame, title="Title card"))
    ends = [following.start_frame for following in timeline.clips[1:]]
    ends.append(timeline.frames - timeline.outro_frames)
    for number, (placed, end_frame) in enumerate(zip(timeline.clips, ends, strict=True), 1):
        found += _clip_stretches(placed, end_frame, number, has_before=bool(found))
    if timeline.outro_frames:
        found.append(Stretch(timeline.outro_frames, timeline.outro_fade_frames, title="End card"))
    return found


def _clip_stretches(placed: PlacedClip, end_frame: int, number: int, *, has_before: bool) -> list[Stretch]:
    clip, found = placed.clip, list[Stretch]()
    for piece in placed.pieces:
        frames = min(piece.end_frame, end_frame) - piece.start_frame
        if frames <= 0:
            continue
        is_first = piece is placed.pieces[0]
        says = clip.caption or clip.reason
        found.append(
            Stretch(
                frames=frames,
                # CMX 3600 knows no dissolve that outlasts its own event.
                fade_frames=min(placed.fade_frames, frames) if is_first and has_before else 0,
                video_id=clip.video_id,
                source_frame=piece.source_frame,
                factor=piece.factor,
                title=(says or f"Moment {number}") if is_first else "",
                comments=tuple(f"COMMENT: {text}" for text in (clip.caption, clip.reason) if text and is_first),
                facts={
                    "kind": clip.kind,
                    "startMs": clip.start_ms,
                    "endMs": clip.end_ms,
                    "score": clip.score,
                    "scores": dict(clip.scores),
                    "reason": clip.reason,
                    "caption": clip.caption,
                },
            )
        )
    return found


def otio_edit(stretches: Sequence[Stretch], rate: Fraction, name: str, sources: Mapping[str, Source]) -> Any:
    """Return the edit with a picture and a sound track; markers stand on the picture's clips."""
    edit = _timeline(name, rate, drop_frame=can_drop(rate))
    for kind in (otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio):
        track = otio.schema.Track(name=kind, kind=kind)
        track.extend(_items(stretches, rate, sources, silent_cards=kind == otio.schema.TrackKind.Audio))
        edit.tracks.append(track)
    for stretch, clip in zip(stretches, edit.tracks[0].find_clips(), strict=True):
        if stretch.video_id is not None and stretch.title:
            clip.markers.append(_marker(stretch, clip, float(rate)))
    return edit


def otio_json(stretches: Sequence[Stretch], rate: Fraction, name: str, sources: Mapping[str, Source]) -> str:
    """Return the edit as OTIO JSON."""
    return str(otio.adapters.write_to_string(otio_edit(stretches, rate, name, sources), "otio_json"))


def edl_text(
    stretches: Sequence[Stretch],
    rate: Fraction,
    name: str,
    sources: Mapping[str, Source],
    *,
    drop_frame: bool | None = None,
) -> str:
    """Return the edit as a CMX 3600 list; at 29.97 with drop-frame time code unless told otherwise.

    Picture and both channels of sound are cut together (`AA/V`), the picture alone where no source has sound.
    """
    drops = can_drop(rate) and drop_frame is not False
    used = {stretch.video_id for stretch in stretches} - {None}
    has_sound = any(video_id not in sources or sources[video_id].has_sound for video_id in used if video_id)
    edit = _timeline(name, rate, drop_frame=drops)
    for channel in _EDL_CHANNELS if has_sound else _EDL_CHANNELS[:1]:
        kind = otio.schema.TrackKind.Video if channel == "V" else otio.schema.TrackKind.Audio
        track = otio.schema.Track(name=channel, kind=kind)
        track.extend(_items(stretches, rate, sources, silent_cards=False))
        edit.tracks.append(track)
    return write_edl(edit, rate=rate, drop_frame=drops)


def _timeline(name: str, rate: Fraction, *, drop_frame: bool) -> Any:
    start = RECORD_START_HOURS * hour_frames(rate, drop_frame=drop_frame)
    return otio.schema.Timeline(name=name, global_start_time=otio.opentime.RationalTime(start, float(rate)))


def _items(
    stretches: Sequence[Stretch], rate: Fraction, sources: Mapping[str, Source], *, silent_cards: bool
) -> list[Any]:
    reels: dict[str, str] = {}
    items: list[Any] = []
    for stretch in stretches:
        if stretch.fade_frames:
            items.append(
                otio.schema.Transition(
                    name="crossfade",
                    transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
                    in_offset=otio.opentime.RationalTime(0, float(rate)),
                    out_offset=otio.opentime.RationalTime(stretch.fade_frames, float(rate)),
                )
            )
        if stretch.video_id is not None:
            reel = reels.setdefault(stretch.video_id, reel_name(len(reels) + 1))
            items.append(_clip(stretch, rate, reel, sources.get(stretch.video_id)))
        elif silent_cards:
            items.append(otio.schema.Gap(source_range=_range(0, stretch.frames, rate)))
        else:
            items.append(_card(stretch, rate))
    return items


def _clip(stretch: Stretch, rate: Fraction, reel: str, source: Source | None) -> Any:
    name = source.name if source is not None else str(stretch.video_id)
    media = otio.schema.ExternalReference(target_url=name)
    if source is not None:
        media.available_range = _range(0, round(source.length_ms * rate / 1000), rate)
    clip = otio.schema.Clip(
        name=name,
        media_reference=media,
        source_range=_range(stretch.source_frame, stretch.frames, rate),
        metadata={
            # CMX 3600 gives a reel eight characters; the name stands in the comment below the event.
            "cmx_3600": {"reel": reel, "comments": list(stretch.comments)},
            "fanreel": {"videoId": stretch.video_id, **stretch.facts},
        },
    )
    if stretch.factor != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(name="slow motion", time_scalar=1 / stretch.factor))
    return clip


def _card(stretch: Stretch, rate: Fraction) -> Any:
    return otio.schema.Clip(
        name=stretch.title,
        media_reference=otio.schema.GeneratorReference(
            generator_kind="black", available_range=_range(0, stretch.frames, rate)
        ),
        source_range=_range(0, stretch.frames, rate),
    )


def _marker(stretch: Stretch, clip: Any, rate: float) -> Any:
    marked = clip.source_range
    if stretch.marked_frame is not None:
        marked = otio.opentime.TimeRange(
            otio.opentime.RationalTime(stretch.marked_frame, rate), otio.opentime.RationalTime(0, rate)
        )
    return otio.schema.Marker(
        name=stretch.title,
        marked_range=marked,
        color=otio.schema.MarkerColor.GREEN,
        metadata={"fanreel": dict(stretch.facts)},
    )


def _range(start_frame: int, frames: int, rate: Fraction) -> Any:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start_frame, float(rate)), otio.opentime.RationalTime(frames, float(rate))
    )
