"""Which picture stands for a montage."""

from collections.abc import Mapping
from dataclasses import dataclass

from fanreel.contracts import AppearanceDocument, MontageClip, MontagePlan


@dataclass(frozen=True, slots=True)
class Poster:
    """A picture inside a planned clip: `pts_ms` in the source video of `clip_index`."""

    clip_index: int
    pts_ms: int


def choose_poster(plan: MontagePlan, appearances: Mapping[str, AppearanceDocument] | None = None) -> Poster:
    """Return the best-looking face shown whole, that is outside the crossfades; else the best clip's middle.

    Never a picture of an opener, and one played at speed rather than one of slow motion, whose pictures may be
    blended. Without `appearances` (the renderer alone) it is the middle of the best-scoring clip, which the plan
    has centred on its peak.
    """
    faces = [
        (not _is_slow(clip, face.pts_ms), face.quality, -index, face.pts_ms)
        for index, clip in enumerate(plan.clips)
        if clip.kind == "moment"
        and (appearance := (appearances or {}).get(clip.appearance_id)) is not None
        and (face := appearance.best_face) is not None
        and _shown_whole(clip, face.pts_ms, plan.crossfade_ms)
    ]
    if faces:
        *_, negative_index, pts_ms = max(faces)
        return Poster(-negative_index, pts_ms)
    best = max(range(len(plan.clips)), key=lambda index: (_rank(plan.clips[index]), -index))
    return Poster(best, (plan.clips[best].start_ms + plan.clips[best].end_ms) // 2)


def _rank(clip: MontageClip) -> tuple[bool, float]:
    return (clip.kind == "moment", clip.score)


def _is_slow(clip: MontageClip, pts_ms: int) -> bool:
    if clip.slow_from_ms is None or clip.slow_to_ms is None:
        return False
    return clip.slow_from_ms <= pts_ms < clip.slow_to_ms


def _shown_whole(clip: MontageClip, pts_ms: int, crossfade_ms: int) -> bool:
    return clip.start_ms + crossfade_ms <= pts_ms < clip.end_ms - crossfade_ms
