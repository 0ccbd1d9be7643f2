"""Where a fan may be shown: windows of a video from which clips can be cut."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fanreel.contracts import AppearanceDocument, FaceRef, MatchDocument, Shot, VideoDocument

from .style import MontageStyle


@dataclass(frozen=True, slots=True)
class Moment:
    """One continuous stretch of one shot in which the fan is seen.

    [core_from_ms, core_to_ms) is where they were seen, [from_ms, to_ms) how far a clip may reach: both clear
    of the shot's borders. `score` is 0..1. `rank_in_shot` is 0 for the best moment of its shot.
    """

    video_id: str
    video_name: str
    shot: tuple[int, int]
    core_from_ms: int
    core_to_ms: int
    from_ms: int
    to_ms: int
    peak_ms: int
    score: float
    excitement: float
    face_height_px: float
    appearance_id: str
    best_face: FaceRef | None
    rank_in_shot: int = 0

    @property
    def order(self) -> tuple[str, str, int, int, str]:
        """Chronological order; total, so that nothing depends on the order of the input."""
        return (self.video_name, self.video_id, self.from_ms, self.to_ms, self.appearance_id)

    @property
    def length_ms(self) -> int:
        """The longest clip this moment gives."""
        return self.to_ms - self.from_ms


@dataclass(frozen=True, slots=True)
class _Seen:
    """One matched appearance and how far around it a clip may reach."""

    appearance: AppearanceDocument
    probability: float
    shot: tuple[int, int]
    core: tuple[int, int]
    reach: tuple[int, int]


def find_moments(
    fan_id: str,
    event_id: str,
    matches: Sequence[MatchDocument],
    appearances: Mapping[str, AppearanceDocument],
    videos: Mapping[str, VideoDocument],
    style: MontageStyle,
) -> list[Moment]:
    """Return the fan's moments in chronological order; only decisions `match` count, never `review`.

    Appearances of one shot whose reaches touch (a track lost for a moment) are one moment. Two moments of
    the same shot further apart stay two: in between somebody else may fill the picture.
    """
    probability: dict[str, float] = {}
    for match in matches:
        if (match.fan_id, match.event_id, match.decision) == (fan_id, event_id, "match"):
            probability[match.appearance_id] = max(match.probability, probability.get(match.appearance_id, 0.0))
    per_shot: dict[tuple[str, int, int], list[_Seen]] = {}
    for appearance_id in sorted(probability):
        appearance = appearances.get(appearance_id)
        video = videos.get(appearance.video_id) if appearance else None
        if appearance is None or video is None:
            continue
        seen = _seen(appearance, probability[appearance_id], video, style)
        if seen is not None:
            per_shot.setdefault((appearance.video_id, *seen.shot), []).append(seen)
    moments: list[Moment] = []
    for (video_id, *_), group in sorted(per_shot.items()):
        moments.extend(_moments_of_shot(group, videos[video_id], style))
    return sorted(moments, key=lambda moment: moment.order)


def _seen(
    appearance: AppearanceDocument, probability: float, video: VideoDocument, style: MontageStyle
) -> _Seen | None:
    shot = _shot_of(appearance, video.shots)
    low, high = shot[0] + style.shot_margin_ms, shot[1] - style.shot_margin_ms
    core = (max(low, appearance.start_ms), min(high, appearance.end_ms))
    reach = (max(low, appearance.start_ms - style.reach_ms), min(high, appearance.end_ms + style.reach_ms))
    if core[1] < core[0] or reach[1] - reach[0] <= 0:
        return None
    return _Seen(appearance, probability, shot, core, reach)


def _shot_of(appearance: AppearanceDocument, shots: Sequence[Shot]) -> tuple[int, int]:
    """Return the borders that hold this appearance; its own span where no shot is known to hold it."""
    if 0 <= appearance.shot_index < len(shots):
        shot = shots[appearance.shot_index]
        if shot.start_ms < appearance.end_ms and appearance.start_ms < shot.end_ms:
            return (shot.start_ms, shot.end_ms)
    return (appearance.start_ms, appearance.end_ms)


def _moments_of_shot(group: Iterable[_Seen], video: VideoDocument, style: MontageStyle) -> list[Moment]:
    runs: list[list[_Seen]] = []
    for seen in sorted(group, key=lambda item: (item.reach, item.core, item.appearance.id)):
        if runs and seen.reach[0] <= max(item.reach[1] for item in runs[-1]):
            runs[-1].append(seen)
        else:
            runs.append([seen])
    moments = [_moment(run, video, style) for run in runs]
    ranked = sorted(moments, key=lambda moment: (-moment.score, moment.order))
    return [replace(moment, rank_in_shot=rank) for rank, moment in enumerate(ranked)]


def _moment(run: Sequence[_Seen], video: VideoDocument, style: MontageStyle) -> Moment:
    scored = sorted(run, key=lambda seen: (-_score(seen, style), seen.appearance.id))
    best = scored[0]
    core = (min(seen.core[0] for seen in run), max(seen.core[1] for seen in run))
    return Moment(
        video_id=best.appearance.video_id,
        video_name=video.name,
        shot=best.shot,
        core_from_ms=core[0],
        core_to_ms=core[1],
        from_ms=min(seen.reach[0] for seen in run),
        to_ms=max(seen.reach[1] for seen in run),
        peak_ms=min(max(_peak_ms(best.appearance), core[0]), core[1]),
        score=_score(best, style),
        excitement=best.appearance.excitement,
        face_height_px=best.appearance.face_height_px,
        appearance_id=best.appearance.id,
        best_face=best.appearance.best_face,
    )


def _score(seen: _Seen, style: MontageStyle) -> float:
    appearance = seen.appearance
    score = (
        style.excitement_weight * _unit(appearance.excitement)
        + style.quality_weight * _unit(appearance.quality)
        + style.face_weight * _unit(appearance.face_height_px / style.full_face_px)
        + style.probability_weight * _unit(seen.probability)
    )
    return round(score, 4)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _peak_ms(appearance: AppearanceDocument) -> int:
    """Return where excitement peaks (the first of equals); the middle where no curve is known."""
    curve = list(zip(appearance.excitement_curve, appearance.pts_ms, strict=False))
    if not curve:
        return (appearance.start_ms + appearance.end_ms) // 2
    return max(curve, key=lambda point: (point[0], -point[1]))[1]
