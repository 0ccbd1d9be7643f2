"""What lies beside a montage: captions (WebVTT) and edit lists (CMX 3600 EDL, OpenTimelineIO).

Cuts are counted in frames of the montage's own rate, source times from the first presented frame, so that
a conform at that rate lands on the same pictures. Nothing here names a fan or holds a URL.
"""

from fractions import Fraction
from typing import Any

import opentimelineio as otio

from fanreel.domain.montage import PlacedClip, Timeline

_REEL = "FR{:03d}"


def webvtt(timeline: Timeline) -> str:
    """Return one caption per clip, ending where the next begins, with the clip's times in its source."""
    several = len({placed.clip.video_id for placed in timeline.clips}) > 1
    cues = ["WEBVTT\n"]
    for index, placed in enumerate(timeline.clips):
        following = timeline.clips[index + 1 : index + 2]
        end_frame = following[0].start_frame if following else placed.end_frame
        clip = placed.clip
        where = f" in {clip.video_id}" if several else ""
        cues.append(
            f"{index + 1}\n"
            f"{_clock(timeline.ms(placed.start_frame))} --> {_clock(timeline.ms(end_frame))}\n"
            f"Moment {index + 1} of {len(timeline.clips)}, "
            f"{_clock(Fraction(clip.start_ms))} to {_clock(Fraction(clip.end_ms))} of the broadcast{where}\n"
        )
    return "\n".join(cues)


def otio_timeline(timeline: Timeline, name: str, source_ms: dict[str, int]) -> Any:
    """Return the edit with a picture and a sound track; `source_ms` is the length of each video."""
    edit = otio.schema.Timeline(name=name)
    rate = float(timeline.rate)
    for kind in (otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio):
        edit.tracks.append(_track(timeline, kind, rate, source_ms))
    return edit


def otio_json(timeline: Timeline, name: str, source_ms: dict[str, int]) -> str:
    """Return the edit as OTIO JSON."""
    return otio.adapters.write_to_string(otio_timeline(timeline, name, source_ms), "otio_json")


def cmx_edl(timeline: Timeline, name: str) -> str:
    """Return the picture edit as a CMX 3600 list with non-drop-frame time code.

    Non-drop time code counts whole frames at the nominal rate (30 for 29.97), so the list is written at
    that rate: the frame numbers, and with them the cuts, are the same.
    """
    nominal = float(round(timeline.rate))
    edit = otio.schema.Timeline(name=name)
    edit.tracks.append(_track(timeline, otio.schema.TrackKind.Video, nominal, {}))
    text = otio.adapters.write_to_string(edit, "cmx_3600", rate=nominal)
    title, _, events = text.partition("\n")
    return f"{title}\nFCM: NON-DROP FRAME\n{events}"


def _track(timeline: Timeline, kind: str, rate: float, source_ms: dict[str, int]) -> Any:
    """Lay the clips end to end; a crossfade is a transition that begins at the cut and uses the media after it."""
    track = otio.schema.Track(name=kind, kind=kind)
    reels: dict[str, str] = {}
    for index, placed in enumerate(timeline.clips):
        following = timeline.clips[index + 1 : index + 2]
        own_frames = (following[0].start_frame if following else placed.end_frame) - placed.start_frame
        if placed.fade_frames:
            track.append(
                otio.schema.Transition(
                    name="crossfade",
                    transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
                    in_offset=otio.opentime.RationalTime(0, rate),
                    out_offset=otio.opentime.RationalTime(placed.fade_frames, rate),
                )
            )
        track.append(_clip(timeline, placed, own_frames, rate, source_ms, reels))
    return track


def _clip(
    timeline: Timeline,
    placed: PlacedClip,
    own_frames: int,
    rate: float,
    source_ms: dict[str, int],
    reels: dict[str, str],
) -> Any:
    video_id = placed.clip.video_id
    reel = reels.setdefault(video_id, _REEL.format(len(reels) + 1))
    media = otio.schema.ExternalReference(target_url=video_id)
    if video_id in source_ms:
        media.available_range = _range(0, round(source_ms[video_id] * timeline.rate / 1000), rate)
    return otio.schema.Clip(
        name=video_id,
        media_reference=media,
        source_range=_range(placed.source_frame, own_frames, rate),
        # CMX 3600 gives a reel eight characters; the id stands in the comment below the event.
        metadata={"cmx_3600": {"reel": reel}, "fanreel": {"startMs": placed.clip.start_ms}},
    )


def _range(start_frame: int, frames: int, rate: float) -> Any:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start_frame, rate), otio.opentime.RationalTime(frames, rate)
    )


def _clock(ms: Fraction) -> str:
    seconds, rest_ms = divmod(round(ms), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest_ms:03d}"
