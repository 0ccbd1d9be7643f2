"""Where a fan may be shown: windows of a video from which clips can be cut."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fanreel.contracts import AppearanceDocument, FaceRef, MatchDocument, Shot, VideoDocument
from fanreel.domain.matching import face_id_of

from .strangers import Box, Strangers
from .style import MontageStyle


@dataclass(frozen=True, slots=True)
class Moment:
    """One continuous stretch of one shot in which the fan is seen.

    [from_ms, to_ms) runs from half a look before their first to half a look after their last sighting, clear of
    the shot's borders, and no clip reaches beyond: what lies there nobody has recognised. `score` is 0..1.
    `rank_in_shot` is 0 for the best moment of its shot.
    """

    video_id: str
    video_name: str
    shot: tuple[int, int]
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
    """One appearance that is the fan, its shot's borders, and how far the shot is clear of dissolves and fades.

    `fan_probability` is how likely the shot shows people at all; 1 where that was not judged.
    """

    appearance: AppearanceDocument
    probability: float
    shot: tuple[int, int]
    clear: tuple[int, int]
    fan_probability: float


@dataclass(frozen=True, slots=True)
class _Sighting:
    """The fan at one moment; more than once where two tracks followed the one face."""

    pts_ms: int
    boxes: tuple[Box, ...]
    seen: tuple[_Seen, ...]


def find_moments(
    fan_id: str,
    event_id: str,
    matches: Sequence[MatchDocument],
    appearances: Mapping[str, AppearanceDocument],
    videos: Mapping[str, VideoDocument],
    style: MontageStyle,
) -> list[Moment]:
    """Return the fan's moments in chronological order; only decisions `match` count, never `review`.

    `appearances` holds everybody seen in the shots of the matched ones, not the fan alone: where the fan is not
    seen, somebody else in their place ends a moment. Sightings of one shot with short holes between them are one
    moment; two moments of the same shot further apart stay two.
    """
    probability = _probabilities(fan_id, event_id, matches, appearances)
    per_shot: dict[tuple[str, int, int], list[_Seen]] = {}
    for appearance_id in sorted(probability):
        appearance = appearances[appearance_id]
        video = videos.get(appearance.video_id)
        if video is not None:
            seen = _seen(appearance, probability[appearance_id], video.shots)
            per_shot.setdefault((appearance.video_id, *seen.shot), []).append(seen)
    moments: list[Moment] = []
    for (video_id, start_ms, end_ms), group in sorted(per_shot.items()):
        strangers = Strangers(
            one
            for one in appearances.values()
            if one.video_id == video_id
            and one.id not in probability
            and one.start_ms < end_ms
            and start_ms < one.end_ms
        )
        moments.extend(_moments_of_shot(group, strangers, videos[video_id], style))
    return sorted(moments, key=lambda moment: moment.order)


def _probabilities(
    fan_id: str,
    event_id: str,
    matches: Sequence[MatchDocument],
    appearances: Mapping[str, AppearanceDocument],
) -> dict[str, float]:
    """Return the appearances that are the fan, with the probability of each."""
    found: dict[str, float] = {}
    for match in matches:
        if (match.fan_id, match.event_id, match.decision) != (fan_id, event_id, "match"):
            continue
        appearance = appearances.get(match.appearance_id)
        if appearance is not None and _is_about(match, appearance):
            found[match.appearance_id] = max(match.probability, found.get(match.appearance_id, 0.0))
    return found


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


def _seen(appearance: AppearanceDocument, probability: float, shots: Sequence[Shot]) -> _Seen:
    """Find the shot that holds this appearance; its own span counts as one where no shot is known to."""
    if 0 <= appearance.shot_index < len(shots):
        shot = shots[appearance.shot_index]
        if shot.start_ms < appearance.end_ms and appearance.start_ms < shot.end_ms:
            borders = (shot.start_ms, shot.end_ms)
            clear_from = shot.start_ms if shot.clear_from_ms is None else shot.clear_from_ms
            clear_to = shot.end_ms if shot.clear_to_ms is None else shot.clear_to_ms
            known = 1.0 if shot.fan_probability is None else shot.fan_probability
            return _Seen(appearance, probability, borders, (clear_from, clear_to), known)
    own = (appearance.start_ms, appearance.end_ms)
    return _Seen(appearance, probability, own, own, 1.0)


def _moments_of_shot(
    group: Iterable[_Seen], strangers: Strangers, video: VideoDocument, style: MontageStyle
) -> list[Moment]:
    runs: list[list[_Sighting]] = []
    for sighting in _sightings(group):
        if runs and _joined(runs[-1][-1], sighting, strangers, style):
            runs[-1].append(sighting)
        else:
            runs.append([sighting])
    moments = [moment for run in runs if (moment := _moment(run, video, style)) is not None]
    ranked = sorted(moments, key=lambda moment: (-moment.score, moment.order))
    return [replace(moment, rank_in_shot=rank) for rank, moment in enumerate(ranked)]


def _sightings(group: Iterable[_Seen]) -> list[_Sighting]:
    """Return when and where the fan is seen in a shot, by time."""
    boxes: dict[int, list[Box]] = {}
    who: dict[int, list[_Seen]] = {}
    for seen in group:
        for pts_ms, box in zip(seen.appearance.pts_ms, seen.appearance.boxes, strict=True):
            if seen.shot[0] <= pts_ms < seen.shot[1]:
                boxes.setdefault(pts_ms, []).append(box)
                who.setdefault(pts_ms, []).append(seen)
    return [_Sighting(pts_ms, tuple(boxes[pts_ms]), tuple(who[pts_ms])) for pts_ms in sorted(boxes)]


def _joined(one: _Sighting, following: _Sighting, strangers: Strangers, style: MontageStyle) -> bool:
    """Tell whether what lies between two neighbouring sightings may be shown."""
    same_track = any(seen in following.seen for seen in one.seen)
    if following.pts_ms - one.pts_ms > (style.track_hole_ms if same_track else style.hole_ms):
        return False
    return not strangers.in_place_of(one.boxes + following.boxes, one.pts_ms, following.pts_ms)


def _moment(run: Sequence[_Sighting], video: VideoDocument, style: MontageStyle) -> Moment | None:
    """Return what a run of sightings shows; None where the shot's borders leave nothing of it."""
    seen = {each.appearance.id: each for one in run for each in one.seen}
    best = min(seen.values(), key=lambda one: (-_score(one, style), one.appearance.id))
    from_ms = max(run[0].pts_ms - style.half_look_ms, best.clear[0] + style.shot_margin_ms)
    to_ms = min(run[-1].pts_ms + style.half_look_ms, best.clear[1] - style.shot_margin_ms)
    if to_ms <= from_ms:
        return None
    return Moment(
        video_id=best.appearance.video_id,
        video_name=video.name,
        shot=best.shot,
        from_ms=from_ms,
        to_ms=to_ms,
        peak_ms=_peak_ms(best.appearance, from_ms, to_ms),
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
    return round(score * (1 - style.no_fans_penalty * (1 - _unit(seen.fan_probability))), 4)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _peak_ms(appearance: AppearanceDocument, from_ms: int, to_ms: int) -> int:
    """Return where excitement peaks in the range (the first of equals); its middle where no curve is known."""
    points = zip(appearance.excitement_curve, appearance.pts_ms, strict=False)
    curve = [point for point in points if from_ms <= point[1] <= to_ms]
    if not curve:
        return (from_ms + to_ms) // 2
    return max(curve, key=lambda point: (point[0], -point[1]))[1]
