"""What a close distance alone does not prove: each gate is one question, by name.

A gate that fires never makes a match, it takes one away. The names are stable: they stand in `Evidence.gates`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fanreel.contracts import AppearanceDocument, Decision

from .policy import MatchPolicy


@dataclass(frozen=True, slots=True)
class Candidate:
    """The nearest fan of an appearance, and what is known about the two.

    Margins are in strangers' standard deviations at the best quality (about .05 of distance each).
    """

    appearance: AppearanceDocument
    probability: float
    runner_up_margin: float
    """How much farther the next fan is; infinite when there is none."""
    rival_margin: float
    """How much farther the nearest other face of the same frames is from this fan; infinite when there is none."""
    fan_female_probability: float
    """Mean over the fan's selfies; NaN when unknown."""
    fan_age_years: float
    """Likewise."""
    selfies_disagree: bool
    """The fan's selfies may show two people."""
    person_denied: bool = False
    """Somebody said that the fan is not whom another appearance of the same person shows."""
    reviews_contradict: bool = False
    """Verdicts about this pair and about another one cannot both be true."""


def too_few_supporting_faces(seen: AppearanceDocument, policy: MatchPolicy) -> bool:
    """Too few frames speak for it."""
    return seen.supporting_faces < policy.min_supporting_faces


def face_too_small(seen: AppearanceDocument, policy: MatchPolicy) -> bool:
    """The face is too small to be told from others."""
    return not seen.face_height_px >= policy.min_face_height_px  # so that not-a-number fires, too


def too_blurred(seen: AppearanceDocument, policy: MatchPolicy) -> bool:
    """The face is too blurred to be told from others."""
    return not seen.sharpness >= policy.min_sharpness


def mixed_track(seen: AppearanceDocument, policy: MatchPolicy) -> bool:
    """The track's faces differ too much to be one person."""
    return not seen.spread <= policy.max_spread


def selfies_disagree(candidate: Candidate, policy: MatchPolicy) -> bool:
    """Nobody can tell whose selfies these are."""
    del policy
    return candidate.selfies_disagree


def small_margin(candidate: Candidate, policy: MatchPolicy) -> bool:
    """Another fan is nearly as close."""
    return not candidate.runner_up_margin >= policy.min_runner_up_margin


def one_to_one_in_frame(candidate: Candidate, policy: MatchPolicy) -> bool:
    """Another face seen at the same time is nearer to this fan, or nearly so."""
    return not candidate.rival_margin >= policy.min_rival_margin


def gender_contradiction(candidate: Candidate, policy: MatchPolicy) -> bool:
    """Selfies and broadcast are each sure of the apparent gender, and disagree."""
    seen = candidate.appearance.female_probability
    if seen is None or candidate.appearance.apparent_gender == "undetermined":
        return False
    sure = policy.gender_confidence
    fan = candidate.fan_female_probability  # NaN compares false: unknown contradicts nothing
    return (fan >= sure and seen <= 1 - sure) or (fan <= 1 - sure and seen >= sure)


def age_contradiction(candidate: Candidate, policy: MatchPolicy) -> bool:
    """The apparent ages are too far apart; asked of large, good faces only."""
    seen = candidate.appearance
    if seen.age_years is None:
        return False
    large = seen.face_height_px >= policy.age_min_face_height_px and seen.quality >= policy.age_min_quality
    return large and abs(seen.age_years - candidate.fan_age_years) > policy.max_age_gap_years


def person_denied(candidate: Candidate, policy: MatchPolicy) -> bool:
    """Somebody said of another appearance of this person that it is not the fan."""
    del policy
    return candidate.person_denied


def reviews_contradict(candidate: Candidate, policy: MatchPolicy) -> bool:
    """People said two things that cannot both be true; they are asked again."""
    del policy
    return candidate.reviews_contradict


def low_probability(candidate: Candidate, policy: MatchPolicy) -> bool:
    """Among so many fans and strangers, the posterior is still too small."""
    return not candidate.probability >= policy.min_match_probability


APPEARANCE_GATES = (too_few_supporting_faces, face_too_small, too_blurred, mixed_track)
"""Questions about the appearance alone, whoever is compared with it."""

PAIR_GATES = (
    selfies_disagree,
    small_margin,
    one_to_one_in_frame,
    gender_contradiction,
    age_contradiction,
    person_denied,
    reviews_contradict,
    low_probability,
)
"""Questions about the appearance and its nearest fan."""


def unfit(seen: AppearanceDocument, policy: MatchPolicy) -> bool:
    """Whether the appearance can never be a match."""
    return any(gate(seen, policy) for gate in APPEARANCE_GATES)


def fired(candidate: Candidate, policy: MatchPolicy) -> tuple[str, ...]:
    """Return the names of the gates that fire, those of the appearance first."""
    alone = [gate.__name__ for gate in APPEARANCE_GATES if gate(candidate.appearance, policy)]
    return (*alone, *(gate.__name__ for gate in PAIR_GATES if gate(candidate, policy)))


def decision_for(distance: float, threshold: float, gates: Sequence[str]) -> Decision:
    """Return the outcome of a candidate within review distance.

    Close enough and unopposed: `match`. One of the two missing: `review`. Neither: nothing to ask a person. Of a
    candidate in the review band a low probability is no news, so it does not count against it.
    """
    close = distance <= threshold
    if close and not gates:
        return "match"
    opposed = set(gates) - {low_probability.__name__}
    return "review" if close or not opposed else "none"
