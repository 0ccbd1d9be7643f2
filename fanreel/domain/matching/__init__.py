"""Who is who, open set (DESIGN §7): fans × appearances → `match`, `review` or nobody, with the evidence.

calibration  distance → false-match rate and likelihood, measured per model contract and cohesion
policy       every number, with its reason
gallery      documents → checked columns
distances    how far an appearance is from a fan; the two nearest fans
rivals       which faces are seen beside each other
gates        what a close distance alone does not prove
links        what people decided, on the appearances as they are now
search       one video against the fans of its event: the weighing and the evidence
decide       the decision over all searches

Close enough and no gate: `match`. Close with a gate, or a little farther without one: `review`. Else nobody.
The gates, by the stable names that stand in the evidence:

name                      fires when                                                          number in the policy
too_few_supporting_faces  fewer faces than this were pooled                                   min_supporting_faces
face_too_small            the faces' median height is less                                    min_face_height_px
too_blurred               the faces' median sharpness is less                                 min_sharpness
mixed_track               the faces lie farther from their template: perhaps two people       max_spread
selfies_disagree          the fan's selfies may show two people (domain.enrolment)            –
small_margin              the next fan is not farther by this                                 min_runner_up_margin
one_to_one_in_frame       another face of the same frames is not farther by this              min_rival_margin
gender_contradiction      selfies and broadcast are both this sure, of different genders      gender_confidence
age_contradiction         a large, good face seems older or younger by more                   max_age_gap_years
person_denied             another appearance of this person is said not to be the fan        –
reviews_contradict        verdicts cannot both be true: two faces of a frame, or two fans     –
low_probability           among so many fans and strangers the posterior is less              min_match_probability

A person's `same` overrules all of them but `reviews_contradict`; a person's `different` ends the matter.
"""

from .calibration import Calibration, CalibrationFile, baseline_calibration
from .decide import decide_matches
from .gates import decision_for
from .links import Links, face_id_of, is_about, resolve_links
from .policy import MatchPolicy
from .rivals import CoVisible

__all__ = [
    "Calibration",
    "CalibrationFile",
    "CoVisible",
    "Links",
    "MatchPolicy",
    "baseline_calibration",
    "decide_matches",
    "decision_for",
    "face_id_of",
    "is_about",
    "resolve_links",
]
