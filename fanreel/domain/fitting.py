"""What of a video's document is left out where the store would not take all of it. Pure."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fanreel.contracts import Shot, SoundEvent, VideoDocument

MOST_BYTES = 1_800_000
"""Cosmos DB takes documents of up to 2 MB of JSON; the rest is for what is written later (why segments are
missing, what segments have come to) and for the store's own fields."""
STRONGEST_SOUNDS = 500
"""Spans kept of each kind of sound where not all of them can be."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The document, and names of what had to be left out of it, in order; most often nothing."""

    video: VideoDocument
    left_out: tuple[str, ...]


def fitted(video: VideoDocument, most_bytes: int = MOST_BYTES) -> Fitted:
    """Return the document small enough to be stored, without what is missed least, one thing after the other.

    A curve is left out whole, which everybody reads as not measured: its places are seconds. Of shots, only what
    makes a choice better goes; where they are clear of others, and what they repeat, always stays, as it keeps
    strangers and replays out of montages. Twelve hours fit with two cuts a second.
    """
    left_out: list[str] = []
    for name, lighter in _LIGHTER:
        if wire_bytes(video) <= most_bytes:
            break
        video = video.model_copy(update=lighter(video))
        left_out.append(name)
    return Fitted(video, tuple(left_out))


def wire_bytes(video: VideoDocument) -> int:
    """Return the document's length as JSON, as it is sent to the store."""
    return len(json.dumps(video.to_wire(), separators=(",", ":")))


def _strongest(event: SoundEvent) -> SoundEvent:
    """Return the kind's surest and longest spans, in order of time."""
    by_strength = sorted(event.instances, key=lambda span: (-span.confidence, span.start_ms - span.end_ms))
    kept = sorted(by_strength[:STRONGEST_SOUNDS], key=lambda span: span.start_ms)
    return SoundEvent(kind=event.kind, instances=tuple(kept))


def _unmeasured(shot: Shot) -> Shot:
    """Return the shot with where it is, what it is and what it repeats."""
    return Shot(
        start_ms=shot.start_ms,
        end_ms=shot.end_ms,
        clear_from_ms=shot.clear_from_ms,
        clear_to_ms=shot.clear_to_ms,
        kind=shot.kind,
        replay_of=shot.replay_of,
    )


_LIGHTER: tuple[tuple[str, Callable[[VideoDocument], dict[str, Any]]], ...] = (
    ("excitement", lambda _: {"excitement": ()}),
    ("weak_sounds", lambda video: {"sounds": tuple(_strongest(event) for event in video.sounds)}),
    ("sounds", lambda _: {"sounds": ()}),
    ("crowd", lambda _: {"crowd": ()}),
    ("shot_measures", lambda video: {"shots": tuple(_unmeasured(shot) for shot in video.shots)}),
)
"""The report draws the first; captions tell of sounds; montages choose by the crowd and by how good shots are."""
