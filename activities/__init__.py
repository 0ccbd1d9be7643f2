"""One side-effecting step each: load → call the domain → store → return a reference.

Importing this package registers every activity on `blueprint`.
"""

from . import enrolment, matching, merging, montages, preparing, segments
from .base import blueprint

__all__ = ["blueprint", "enrolment", "matching", "merging", "montages", "preparing", "segments"]
