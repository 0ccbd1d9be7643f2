"""Where a fan may be shown: windows of a video from which clips can be cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from fanreel.contracts import AppearanceDocument, FaceRef, FocusPoint, MatchDocument, Shot, VideoDocument

from .scoring import merit_of, parts_of
from .sightings import Seen, Sighting, probabilities, seen_in, sightings_of
from .strangers import Strangers
from .style import MontageStyle


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One continuous stretch of one shot in which the fan is seen.

    [from_ms, to_ms) runs from half a look before their first to half a look after their last sighting, clear of
    the shot's borders, and no clip reaches beyond: what lies there nobody has recognised. `peak_ms` is where it is
    best. `score` is 0..1, made of `parts`, variety apart. `origin` names the pictures: a replay has those of the
    shot it repeats. `upstaged` tells that somebody else's face has the picture. `sightings` are by time.
    """

    video_id: str
    video_name: str
    shot: tuple[int, int]
    shot_index: int
    shot_type: str
    origin: tuple[str, int, int]
    is_replay: bool
    from_ms: int
    to_ms: int
    peak_ms: int
    score: float
    parts: Mapping[str, float]
    upstaged: bool
    appearance_id: str
    best_face: FaceRef | None
    sightings: tuple[FocusPoint, ...]

    @property
    def order(self) -> tuple[str, str, int, int, str]:
        """Chronological order; total, so that nothing depends on the order of the input."""
        return (self.video_name, self.video_id, self.from_ms, self.to_ms, self.appearance_id)

    @property
    def length_ms(self) -> int:
        """The longest clip this moment gives."""
        return self.to_ms - self.from_ms

    def cut(self, length_ms: int, lead_share: float) -> tuple[int, int]:
        """Return `length_ms` of it, around its peak where it is longer than that."""
        start_ms = self.peak_ms - round(length_ms * lead_share)
        start_ms = min(max(start_ms, self.from_ms), self.to_ms - length_ms)
        return start_ms, start_ms + length_ms


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
    probability = probabilities(fan_id, event_id, matches, appearances)
    per_shot: dict[tuple[str, int, int], list[Seen]] = {}
    for appearance_id in sorted(probability):
        appearance = appearances[appearance_id]
        video = videos.get(appearance.video_id)
        if video is not None:
            seen = seen_in(appearance, probability[appearance_id], video.shots)
            per_shot.setdefault((appearance.video_id, *seen.span), []).append(seen)
    others: dict[str, list[AppearanceDocument]] = {}
    for one in appearances.values():
        if one.id not in probability:
            others.setdefault(one.video_id, []).append(one)
    moments: list[Moment] = []
    for (video_id, start_ms, end_ms), group in sorted(per_shot.items()):
        strangers = Strangers(
            one for one in others.get(video_id, ()) if one.start_ms < end_ms and start_ms < one.end_ms
        )
        for run in _runs(sightings_of(group), strangers, style):
            moment = _moment(run, strangers, videos[video_id], style)
            if moment is not None:
                moments.append(moment)
    return sorted(moments, key=lambda moment: moment.order)


def replay_root(shots: Sequence[Shot], index: int) -> int:
    """Return the shot whose pictures this one shows first, over replays of replays; itself where it is none."""
    while (earlier := shots[index].replay_of) is not None and 0 <= earlier < index:
        index = earlier
    return index


def _runs(sightings: Sequence[Sighting], strangers: Strangers, style: MontageStyle) -> list[list[Sighting]]:
    runs: list[list[Sighting]] = []
    for sighting in sightings:
        if runs and _joined(runs[-1][-1], sighting, strangers, style):
            runs[-1].append(sighting)
        else:
            runs.append([sighting])
    return runs


def _joined(one: Sighting, following: Sighting, strangers: Strangers, style: MontageStyle) -> bool:
    """Tell whether what lies between two neighbouring sightings may be shown."""
    same_track = any(seen in following.seen for seen in one.seen)
    if following.pts_ms - one.pts_ms > (style.track_hole_ms if same_track else style.hole_ms):
        return False
    return not strangers.in_place_of(one.boxes + following.boxes, one.pts_ms, following.pts_ms)


def _moment(
    run: Sequence[Sighting], strangers: Strangers, video: VideoDocument, style: MontageStyle
) -> Moment | None:
    """Return what a run of sightings shows; None where the shot's borders leave nothing of it."""
    focus = tuple(one.focus for one in run)
    upstaged = {one.pts_ms for one in focus if _is_upstaged(one, strangers, style)}
    seen = {each.appearance.id: each for one in run for each in one.seen}
    height_px, foremost = _usual_height_px(focus), 1 - len(upstaged) / len(focus)
    # What each appearance would count alone decides which of them the clip is said to show.
    alone = {
        name: merit_of(parts_of(one, video, style, face_height_px=height_px, foremost=foremost), style)
        for name, one in seen.items()
    }
    best = seen[min(alone, key=lambda name: (-alone[name], name))]
    from_ms = max(run[0].pts_ms - style.half_look_ms, best.clear[0] + style.shot_margin_ms)
    to_ms = min(run[-1].pts_ms + style.half_look_ms, best.clear[1] - style.shot_margin_ms)
    if to_ms <= from_ms:
        return None
    peak_ms = _peak_ms(best.appearance, from_ms, to_ms, upstaged)
    around = (max(from_ms, peak_ms - style.full_clip_ms // 2), min(to_ms, peak_ms + style.full_clip_ms // 2))
    parts = parts_of(best, video, style, face_height_px=height_px, foremost=foremost, heard_ms=around)
    root = -1 if best.shot is None else replay_root(video.shots, best.shot_index)
    return Moment(
        video_id=best.appearance.video_id,
        video_name=video.name,
        shot=best.span,
        shot_index=best.shot_index,
        shot_type="none" if best.shot is None else best.shot.shot_type,
        origin=(video.video_id, root, best.span[0] if root < 0 else video.shots[root].start_ms),
        is_replay=root != best.shot_index,
        from_ms=from_ms,
        to_ms=to_ms,
        peak_ms=peak_ms,
        score=merit_of(parts, style),
        parts=parts,
        upstaged=len(upstaged) >= style.upstaged_share * len(focus),
        appearance_id=best.appearance.id,
        best_face=best.appearance.best_face,
        sightings=focus,
    )


def _usual_height_px(focus: Sequence[FocusPoint]) -> float:
    return median(point.box[3] - point.box[1] for point in focus)


def _is_upstaged(fan: FocusPoint, strangers: Strangers, style: MontageStyle) -> bool:
    """Tell whether somebody else's face has the picture at a sighting of the fan."""
    height = fan.box[3] - fan.box[1]
    return strangers.highest_px(fan.pts_ms, style.half_look_ms) > style.upstaged_ratio * height


def _peak_ms(appearance: AppearanceDocument, from_ms: int, to_ms: int, upstaged: set[int]) -> int:
    """Return where excitement peaks in the range (the first of equals); its middle where no curve is known.

    Where the fan has the picture, if they ever do.
    """
    points = zip(appearance.excitement_curve, appearance.pts_ms, strict=False)
    curve = [point for point in points if from_ms <= point[1] <= to_ms]
    if not curve:
        return (from_ms + to_ms) // 2
    return max(curve, key=lambda point: (point[1] not in upstaged, point[0], -point[1]))[1]
