"""Why a clip is in, in plain words."""

from collections.abc import Mapping, Sequence

from .style import MontageStyle

_PRAISE = (
    ("excitement", 0.8, "very excited"),
    ("excitement", 0.5, "excited"),
    ("crowd", 0.6, "the crowd is up"),
    ("share", 0.8, "close to the camera"),
    ("face", 0.8, "the face is clearly seen"),
    ("size", 0.8, "the face is large"),
    ("sharpness", 0.9, "the face is sharp"),
    ("shot", 0.7, "a good picture"),
    ("variety", 0.8, "unlike the other clips"),
)
"""What is said of a part from how much of it on; of one part only the strongest word."""

_FAULTS = (
    ("foremost", 0.99, "somebody else's face is larger at times"),
    ("foremost", 0.5, "somebody else's face is larger"),
    ("fans", 0.3, "a shot that is not of people"),
)
"""What is said of a part up to how little of it."""

MOST_PRAISE = 3


def reason_of(parts: Mapping[str, float], weights: Mapping[str, float], *, also: Sequence[str] = ()) -> str:
    """Return one line: what counts most for the clip, what speaks against it, and how it was cut."""
    said: dict[str, tuple[float, str]] = {}
    for name, least, words in _PRAISE:
        if parts.get(name, 0.0) >= least and name not in said:
            said[name] = (weights[name] * parts[name], words)
    praise = [words for _, words in sorted(said.values(), key=lambda one: -one[0])[:MOST_PRAISE]]
    faults = {name: words for name, most, words in _FAULTS if parts.get(name, 1.0) <= most}
    return ", ".join([*(praise or ["the fan is seen"]), *faults.values(), *also])


def opener_reason(style: MontageStyle) -> str:
    """Return why an opener is in."""
    return f"the match just before: no face higher than {style.opener_face_share:.0%} of the picture"
