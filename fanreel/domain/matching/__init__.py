"""Who is who, open set (DESIGN §7): fans × appearances → `match`, `review` or nobody, with the evidence.

calibration  distance → false-match rate and likelihood, measured per model contract and cohesion
policy       every number, with its reason
gallery      documents → checked columns
distances    how far an appearance is from a fan; the two nearest fans
rivals       which faces are seen beside each other
gates        what a close distance alone does not prove
decide       the decision
"""

from .calibration import Calibration, CalibrationFile, baseline_calibration
from .decide import decide_matches, decision_for
from .policy import MatchPolicy

__all__ = [
    "Calibration",
    "CalibrationFile",
    "MatchPolicy",
    "baseline_calibration",
    "decide_matches",
    "decision_for",
]
