"""Writes an OpenTimelineIO edit as a CMX 3600 list.

otio-cmx3600-adapter reads what is written here; its own writer is not used: it does not say (`FCM`) which way it
counts and gives no choice, doubles the source of slow motion instead of halving it, names the clip where M2 wants
the reel, and knows no sound.

Every track is events of its own; tracks that hold the same events share them (`AA/V`). A transition begins at its
cut (`in_offset` 0) and uses the media after it, as CMX has it.
"""

import math
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import opentimelineio as otio

from .timecode import timecode

BLACK = "BL"
UNKNOWN_REEL = "AX"
REEL_LETTERS = 8
CHANNELS: dict[tuple[str, ...], str] = {
    ("V",): "V",
    ("A1",): "A",
    ("A1", "A2"): "AA",
    ("V", "A1"): "B",
    ("V", "A2"): "A2/V",
    ("V", "A1", "A2"): "AA/V",
}
"""What tracks that share their events are called together."""
_CONTROLS = dict.fromkeys((*range(32), 127), " ")


class _Left(NamedTuple):
    """What a transition leaves: where it ends in its source."""

    reel: str
    source_out: int
    name: str


_BLACK = _Left(BLACK, 0, "")


@dataclass(frozen=True, slots=True)
class _Event:
    """A clip of a track: source and record in frames, and the transition into it."""

    reel: str
    source_in: int
    source_frames: int
    record_in: int
    record_frames: int
    name: str
    reference: str
    speed: float | None
    """Source frames per record frame; none at normal speed."""
    comments: tuple[str, ...]
    transition: str = ""
    """`D`, or `W` and the number of a wipe; empty: a cut."""
    transition_frames: int = 0
    left: _Left = _BLACK


def write_edl(edit: Any, *, rate: Fraction, drop_frame: bool) -> str:
    """Return an `otio.schema.Timeline` as a CMX 3600 list, record times from its `global_start_time`.

    Names and comments are brought into ASCII and onto one line each. Raises KeyError when drop-frame is asked
    for at a rate that has none.
    """
    shared: list[tuple[list[str], tuple[_Event, ...]]] = []
    for number, track in enumerate(edit.tracks):
        events = _events(edit, track, rate)
        names = next((names for names, known in shared if known == events), None)
        if names is None:
            shared.append(([_channel(track, number)], events))
        else:
            names.append(_channel(track, number))
    placed = [
        (event.record_in, order, channel, event)
        for order, (names, events) in enumerate(shared)
        for channel in ([CHANNELS[tuple(names)]] if tuple(names) in CHANNELS else names)
        for event in events
    ]
    lines = [f"TITLE: {_plain(edit.name)}", f"FCM: {'DROP FRAME' if drop_frame else 'NON-DROP FRAME'}"]
    for number, (_, _, channel, event) in enumerate(sorted(placed, key=lambda one: one[:2]), 1):
        lines += _lines(number, channel, event, rate, drop_frame)
    return "\n".join(lines) + "\n"


def reel_name(number: int) -> str:
    """Return the number-th reel's name: at most eight letters and digits, all that CMX 3600 has room for."""
    return f"FR{number:03d}"


def _channel(track: Any, number: int) -> str:
    if track.name in {"V", "A1", "A2"} or track.name[:1] in {"V", "A"}:
        return str(track.name)
    return "V" if track.kind == otio.schema.TrackKind.Video else f"A{max(number, 1)}"


def _events(edit: Any, track: Any, rate: Fraction) -> tuple[_Event, ...]:
    at = _record_start(edit, track, rate)
    events: list[_Event] = []
    left, pending = _BLACK, None
    for child in track:
        if isinstance(child, otio.schema.Transition):
            pending = child
            continue
        frames = _frames(child.duration(), rate)
        if isinstance(child, otio.schema.Gap):
            left = _BLACK
        else:
            event = _event(child, at, frames, rate, pending, left)
            events.append(event)
            left = _Left(event.reel, event.source_in + event.source_frames, event.name)
        pending = None
        at += frames
    return tuple(events)


def _record_start(edit: Any, track: Any, rate: Fraction) -> int:
    """Return the record time of a track's first frame; the adapter keeps what it read as a negative start."""
    if edit.global_start_time is not None:
        return _frames(edit.global_start_time, rate)
    return -_frames(track.source_range.start_time, rate) if track.source_range is not None else 0


def _event(clip: Any, at: int, frames: int, rate: Fraction, transition: Any, left: _Left) -> _Event:
    told = clip.metadata.get("cmx_3600", {})
    reference = clip.media_reference
    warp: Any = next(iter(clip.effects), None)
    reel = _plain(told.get("reel", "")).replace(" ", "")[:REEL_LETTERS] or UNKNOWN_REEL
    comments = [f"* {_plain(comment)}" for comment in told.get("comments", ())]
    comments = [*_locators(clip, rate), *comments]
    name, speed, source_frames = str(clip.name), None, frames
    if isinstance(warp, otio.schema.LinearTimeWarp):
        speed = float(warp.time_scalar)
        # Up to the last frame that is looked at. A list has one decimal of the speed, a float too many.
        source_frames = math.floor(abs(Fraction(speed).limit_denominator(1000)) * (frames - 1)) + 1
        if isinstance(warp, otio.schema.FreezeFrame):
            name, speed, comments = f"{name} FF", 0.0, ["* * FREEZE FRAME", *comments]
    return _Event(
        reel=BLACK if isinstance(reference, otio.schema.GeneratorReference) else reel,
        source_in=_frames(clip.source_range.start_time, rate),
        source_frames=source_frames,
        record_in=at,
        record_frames=frames,
        name=_plain(name),
        reference=_plain(getattr(reference, "target_url", None) or ""),
        speed=speed,
        comments=tuple(comments),
        transition=_kind(transition),
        transition_frames=_frames(transition.out_offset, rate) if transition is not None else 0,
        left=left,
    )


def _kind(transition: Any) -> str:
    if transition is None:
        return ""
    return str(transition.metadata.get("cmx_3600", {}).get("transition", "D"))


def _locators(clip: Any, rate: Fraction) -> list[str]:
    """Return the markers that came from a list: they are at record times there, as nowhere else in OTIO."""
    found: list[str] = []
    for marker in clip.markers:
        colour = marker.metadata.get("cmx_3600", {}).get("color")
        if colour is not None:
            at = timecode(_frames(marker.marked_range.start_time, rate), rate, drop_frame=False)
            found.append(f"* LOC: {at} {colour:<7} {_plain(marker.name)}".rstrip())
    return found


def _lines(number: int, channel: str, event: _Event, rate: Fraction, drop_frame: bool) -> list[str]:
    def row(reel: str, kind: str, length: str, source: tuple[int, int], record: tuple[int, int]) -> str:
        times = " ".join(timecode(at, rate, drop_frame=drop_frame) for at in (*source, *record))
        return f"{number:03d}  {reel:<8} {channel:<5} {kind:<4} {length:>3} {times}"

    lines: list[str] = []
    length = ""
    source = (event.source_in, event.source_in + event.source_frames)
    record = (event.record_in, event.record_in + event.record_frames)
    if event.transition:
        # Two lines of one number: where it comes from, without a length, and where it goes.
        left, length = event.left, f"{event.transition_frames:03d}"
        lines.append(row(left.reel, "C", "", (left.source_out, left.source_out), (record[0], record[0])))
    lines.append(row(event.reel, event.transition or "C", length, source, record))
    if event.speed is not None:
        # Colons even where numbers are dropped: FCM says it already, and the adapter reads no other M2.
        at = timecode(event.source_in, rate, drop_frame=drop_frame).replace(";", ":")
        lines.append(f"M2   {event.reel:<8}       {event.speed * float(rate):05.1f}                {at}")
    lines += _names(number, event)
    return lines + list(event.comments)


def _names(number: int, event: _Event) -> list[str]:
    """Return who is who. A reader calls a clip without a name by its event's number: that one is not written."""
    side = "TO" if event.transition else "FROM"
    lines: list[str] = []
    if event.transition and _is_name(event.left.name, number - 1):
        lines.append(f"* FROM CLIP NAME:  {event.left.name}")
    if _is_name(event.name, number):
        lines.append(f"* {side} CLIP NAME:  {event.name}")
    if event.reference and event.reference != event.name:
        lines.append(f"* {'OTIO REFERENCE TO' if event.transition else 'FROM FILE'}: {event.reference}")
    return lines


def _is_name(name: str, number: int) -> bool:
    return bool(name) and name != f"{number:03d}"


def _frames(time: Any, rate: Fraction) -> int:
    return round(time.value) if abs(time.rate - float(rate)) < 1e-6 else round(time.rescaled_to(float(rate)).value)


def _plain(text: str) -> str:
    """Return text as CMX 3600 has it: one line, ASCII, letters without their accents."""
    bare = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(bare).encode("ascii", "replace").decode().translate(_CONTROLS).strip()
