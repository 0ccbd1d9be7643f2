"""When and where a fan is seen: what all moments are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fanreel.contracts import AppearanceDocument, FocusPoint, MatchDocument, Shot
from fanreel.domain.matching import face_id_of

from .strangers import Box


@dataclass(frozen=True, slots=True)
class Seen:
    """One appearance that is the fan, and the shot it lies in: borders, and how far these are clear of fades.

    `shot` is none and `shot_index` −1 where no shot is known to hold it: then its own span counts as one.
    """

    appearance: AppearanceDocument
    probability: float
    shot_index: int
    shot: Shot | None

    @property
    def span(self) -> tuple[int, int]:
        """The shot's borders."""
        return _span(self.appearance) if self.shot is None else (self.shot.start_ms, self.shot.end_ms)

    @property
    def clear(self) -> tuple[int, int]:
        """What no dissolve or fade covers of it."""
        return _span(self.appearance) if self.shot is None else clear_of(self.shot)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The fan at one moment; more than once where two tracks followed the one face."""

    pts_ms: int
    boxes: tuple[Box, ...]
    seen: tuple[Seen, ...]

    @property
    def focus(self) -> FocusPoint:
        """Where the face is: the larger of two boxes."""
        return FocusPoint(pts_ms=self.pts_ms, box=max(self.boxes, key=lambda box: (_area(box), box)))


def clear_of(shot: Shot) -> tuple[int, int]:
    """Return the part of a shot that no dissolve or fade covers."""
    return (
        shot.start_ms if shot.clear_from_ms is None else shot.clear_from_ms,
        shot.end_ms if shot.clear_to_ms is None else shot.clear_to_ms,
    )


def probabilities(
    fan_id: str,
    event_id: str,
    matches: Sequence[MatchDocument],
    appearances: Mapping[str, AppearanceDocument],
) -> dict[str, float]:
    """Return the appearances that are the fan, with the probability of each; only decisions `match` count."""
    found: dict[str, float] = {}
    for match in matches:
        if (match.fan_id, match.event_id, match.decision) != (fan_id, event_id, "match"):
            continue
        appearance = appearances.get(match.appearance_id)
        if appearance is not None and _is_about(match, appearance):
            found[match.appearance_id] = max(match.probability, found.get(match.appearance_id, 0.0))
    return found


def seen_in(appearance: AppearanceDocument, probability: float, shots: Sequence[Shot]) -> Seen:
    """Find the shot that holds this appearance."""
    if 0 <= appearance.shot_index < len(shots):
        shot = shots[appearance.shot_index]
        if shot.start_ms < appearance.end_ms and appearance.start_ms < shot.end_ms:
            return Seen(appearance, probability, appearance.shot_index, shot)
    return Seen(appearance, probability, -1, None)


def sightings_of(group: Iterable[Seen]) -> list[Sighting]:
    """Return when and where the fan is seen in a shot, by time."""
    boxes: dict[int, list[Box]] = {}
    who: dict[int, list[Seen]] = {}
    for seen in group:
        start_ms, end_ms = seen.span
        for pts_ms, box in zip(seen.appearance.pts_ms, seen.appearance.boxes, strict=True):
            if start_ms <= pts_ms < end_ms:
                boxes.setdefault(pts_ms, []).append(box)
                who.setdefault(pts_ms, []).append(seen)
    return [Sighting(pts_ms, tuple(boxes[pts_ms]), tuple(who[pts_ms])) for pts_ms in sorted(boxes)]


def focus_between(points: Sequence[FocusPoint], start_ms: int, end_ms: int) -> tuple[FocusPoint, ...]:
    """Return the sightings in [start_ms, end_ms] and their neighbours, to interpolate up to the ends."""
    inside = [index for index, point in enumerate(points) if start_ms <= point.pts_ms <= end_ms]
    if not inside:  # a clip between two sightings
        after = next((index for index, point in enumerate(points) if point.pts_ms > end_ms), len(points))
        return tuple(points[max(0, after - 1) : after + 1])
    return tuple(points[max(0, inside[0] - 1) : inside[-1] + 2])


def _is_about(match: MatchDocument, appearance: AppearanceDocument) -> bool:
    """Tell whether a match was decided about this very appearance.

    Ids count appearances: after a video was merged anew, the id in an older match may be somebody else's.
    """
    if match.face_id is not None and match.face_id != face_id_of(appearance):
        return False
    return (match.video_id, match.start_ms, match.end_ms, match.model_contract) == (
        appearance.video_id,
        appearance.start_ms,
        appearance.end_ms,
        appearance.model_contract,
    )


def _span(appearance: AppearanceDocument) -> tuple[int, int]:
    return (appearance.start_ms, appearance.end_ms)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
