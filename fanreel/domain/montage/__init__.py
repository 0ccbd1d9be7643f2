"""A fan's montage: which moments, in which order, on which frames. Pure; rendering is an adapter's work."""

from .framing import UPRIGHT, UprightCrop, upright_crop
from .moments import Moment, find_moments
from .opener import opener_shots, shows_nobody
from .plan import plan_montage
from .poster import Poster, choose_poster
from .style import MontageStyle
from .timeline import Piece, PlacedClip, Timeline, output_rate, place_clips

__all__ = [
    "UPRIGHT",
    "Moment",
    "MontageStyle",
    "Piece",
    "PlacedClip",
    "Poster",
    "Timeline",
    "UprightCrop",
    "choose_poster",
    "find_moments",
    "opener_shots",
    "output_rate",
    "place_clips",
    "plan_montage",
    "shows_nobody",
    "upright_crop",
]
