"""The match before the fan: a short wide shot in which nobody is what the picture is of.

It is the only part of a montage that nobody has been recognised in, so all it shows must have been looked at and
found small: a shot judged to be of play or of a crowd, no replay, clear of dissolves, fades and gaps, and in all
of it no face higher than `opener_face_share` of the picture: neither of anybody followed, nor one found at a
single look that became nobody's appearance (`Shot.highest_face`). What is not known is taken for the worse.
"""

from collections.abc import Iterable, Iterator, Sequence

from fanreel.contracts import AppearanceDocument, Shot, VideoDocument

from .choosing import Pick
from .sightings import clear_of
from .style import MontageStyle

Range = tuple[int, int]

OPENER_KINDS = frozenset({"play", "crowd"})
OPENER_TYPES = frozenset({"none", "wide"})
"""Editorial sizes of a shot without faces, and with small ones."""


def opener_shots(shots: Sequence[Shot], before: int, style: MontageStyle) -> Iterator[int]:
    """Yield the shots that could lead to the shot `before`, nearest first: whose faces must be known to choose."""
    if not 0 <= before < len(shots):
        return
    for index in range(before - 1, -1, -1):
        if shots[before].start_ms - shots[index].end_ms > style.opener_within_ms:
            return
        if _is_wide(shots[index], style):
            yield index


def find_opener(
    picks: Sequence[Pick],
    before: Pick,
    video: VideoDocument,
    appearances: Iterable[AppearanceDocument],
    style: MontageStyle,
) -> tuple[int, int, int] | None:
    """Return what to show of the match before a pick: shot, start_ms, end_ms; none when nothing will do.

    `appearances` holds everybody seen in the shots that `opener_shots` yields. Nothing that a pick shows, or shows
    again, is in it. It runs to the end of its shot, `min_clip_ms` to `opener_ms` long.
    """
    if before.moment.is_replay:
        return None
    known = list(appearances)
    own = [pick.moment for pick in picks if pick.moment.video_id == video.video_id]
    for index in opener_shots(video.shots, before.moment.shot_index, style):
        shot = video.shots[index]
        is_used = any(
            moment.origin[1] == index or (moment.from_ms < shot.end_ms and shot.start_ms < moment.to_ms)
            for moment in own
        )
        from_ms, to_ms = _inside(shot, style)
        shown = (max(from_ms, to_ms - style.opener_ms), to_ms)
        if not is_used and shows_nobody(shown, index, video, known, style):
            return (index, *shown)
    return None


def shows_nobody(
    shown: Range, index: int, video: VideoDocument, appearances: Iterable[AppearanceDocument], style: MontageStyle
) -> bool:
    """Tell whether a range of a video may be shown although nobody was recognised in it.

    `index` is the shot it is said to lie in; `appearances` holds everybody seen in that shot.
    """
    if not 0 <= index < len(video.shots):
        return False
    shot = video.shots[index]
    from_ms, to_ms = _inside(shot, style)
    if not (_is_wide(shot, style) and from_ms <= shown[0] < shown[1] <= to_ms):
        return False
    if any(gap.start_ms < shot.end_ms and shot.start_ms < gap.end_ms for gap in video.gaps):
        return False
    # An upright film of a broadcast has bars above and below: no picture is taken for higher than 16:9 allows.
    limit_px = style.opener_face_share * min(video.frame_height, video.frame_width * 9 / 16)
    if limit_px <= 0 or shot.highest_face is None or shot.highest_face * video.frame_height > limit_px:
        return False
    return not any(
        _highest_px(one) > limit_px
        for one in appearances
        if one.video_id == video.video_id and one.start_ms < shot.end_ms and shot.start_ms < one.end_ms
    )


def _is_wide(shot: Shot, style: MontageStyle) -> bool:
    from_ms, to_ms = _inside(shot, style)
    return (
        shot.kind in OPENER_KINDS
        and shot.shot_type in OPENER_TYPES
        and shot.replay_of is None
        and to_ms - from_ms >= style.min_clip_ms
    )


def _inside(shot: Shot, style: MontageStyle) -> Range:
    from_ms, to_ms = clear_of(shot)
    return from_ms + style.shot_margin_ms, to_ms - style.shot_margin_ms


def _highest_px(one: AppearanceDocument) -> float:
    """Return the height of the highest face of an appearance; without bounds where nobody knows where it was."""
    return max((float(box[3] - box[1]) for box in one.boxes), default=float("inf"))
