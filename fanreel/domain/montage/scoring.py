"""How good a moment is: parts of 0..1, each measured by itself, and what they come to."""

from collections.abc import Mapping

import numpy as np

from fanreel.contracts import VideoDocument

from .sightings import Seen
from .style import MontageStyle

FACTORS = ("fans", "foremost")
"""Parts that do not add to a score but take from it where they are low."""


def parts_of(
    seen: Seen,
    video: VideoDocument,
    style: MontageStyle,
    *,
    face_height_px: float,
    foremost: float,
    heard_ms: tuple[int, int] | None = None,
) -> dict[str, float]:
    """Return what there is to say for a moment, 0..1 each; what was not measured is left out.

    excitement  peak of the face's excitement          crowd      mean over the seconds of `heard_ms`
    face        pooled quality of the faces             size       face height in pixels, which is detail
    sharpness   of the faces                            share      face height in the picture, which is nearness
    shot        picture quality of the shot             certainty  probability that it is the fan
    fans        that the shot shows people at all       foremost   share of looks where nobody else has the picture
    """
    appearance = seen.appearance
    parts = {
        "excitement": appearance.excitement,
        "face": appearance.quality,
        "size": appearance.face_height_px / style.full_face_px,
        "certainty": seen.probability,
        "foremost": foremost,
    }
    if appearance.sharpness > 0:  # 0 is what an appearance has whose faces were not measured
        parts["sharpness"] = appearance.sharpness
    if video.frame_height > 0:
        parts["share"] = face_height_px / video.frame_height / style.full_face_share
    if seen.shot is not None:
        parts["shot"] = seen.shot.quality
        if seen.shot.fan_probability is not None:
            parts["fans"] = seen.shot.fan_probability
    heard = _heard(video.crowd, heard_ms)
    if heard is not None:
        parts["crowd"] = heard
    return {name: round(min(max(float(value), 0.0), 1.0), 4) for name, value in sorted(parts.items())}


def merit_of(parts: Mapping[str, float], style: MontageStyle) -> float:
    """Return what the parts come to, 0..1: their weighted mean, less what a poor shot or somebody else takes.

    A part that was not measured counts as the mean of the others: a broadcast without sound is not worse for it.
    """
    known = {name: weight for name, weight in style.weights.items() if name in parts and name != "variety"}
    total = sum(known.values())
    mean = sum(weight * parts[name] for name, weight in known.items()) / total if total else 0.0
    fans = 1 - style.no_fans_penalty * (1 - parts.get("fans", 1.0))
    foremost = 1 - style.upstaged_penalty * (1 - parts.get("foremost", 1.0))
    return round(mean * fans * foremost, 4)


def _heard(crowd: tuple[float, ...], range_ms: tuple[int, int] | None) -> float | None:
    """Return the mean of a per-second curve over the seconds a range touches; none where there is no curve."""
    if range_ms is None:
        return None
    seconds = crowd[range_ms[0] // 1000 : -(-range_ms[1] // 1000)]
    return float(np.mean(seconds)) if seconds else None
