"""Interesting action of a whole match, found by what crowds, faces, cameras and editors do about it.

`parts` tells, per second, what speaks for action; `unusual` how far the second is from the match's own baseline;
`spans` where a clip around a peak may begin and end; `choosing` ranks the clips; `reasons` says why in plain
words.
"""

from .choosing import MatchHighlights, find_highlights
from .parts import Match, MatchFlow

__all__ = ["Match", "MatchFlow", "MatchHighlights", "find_highlights"]
