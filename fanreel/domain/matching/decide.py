"""Who is who: the decision over all fans and all appearances of a search (open set: mostly nobody)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import AppearanceDocument, Decision, Evidence, FanDocument, MatchDocument
from fanreel.domain import naming
from fanreel.domain.enrolment import DISAGREE_REASON, pooled_selfies, selfie_rows

from .calibration import Calibration, baseline_calibration
from .distances import Pairs, distance_from_cosine, measure_pairs, nearest_fans
from .gallery import AppearanceColumns, FanColumns, appearance_columns, common_contract, fan_columns
from .gates import Candidate, fired, low_probability, unfit
from .policy import MatchPolicy
from .rivals import CoVisible


def decide_matches(
    fans: Sequence[FanDocument],
    appearances: Sequence[AppearanceDocument],
    policy: MatchPolicy,
    *,
    calibration: Calibration | None = None,
) -> list[MatchDocument]:
    """Decide which fan, if any, each appearance shows; `match` and `review` are returned, ordered by id.

    Every video is a search of its own, among the fans of its event: give **all** of that event's fans, also when
    the answer is wanted for one: who else it could be, and how many were compared, is part of the
    decision. Fans without template or consent and appearances without template are passed over. The order of the
    arguments does not matter; a further fan never creates a match for another.

    Raises:
        ContractBroken: `model_contract_mismatch`, `calibration_missing`, `template_invalid`,
            `template_without_contract`, `duplicate_fan`, `duplicate_appearance`.
    """
    everyone = appearance_columns(appearances)
    gallery = fan_columns(fans)
    contract = common_contract(gallery, everyone)
    if contract is None:
        return []
    measured = calibration or baseline_calibration()
    measured.check(contract)
    decided: list[MatchDocument] = []
    for (event, _), seen in everyone.by_search().items():
        search = _Search(gallery.of_event(event), seen, policy, measured)
        decided.extend(search.run())
    return sorted(decided, key=lambda match: match.id)


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


@dataclass(frozen=True, slots=True)
class _Found:
    """The nearest fan of every appearance, measured, with the distances that count, (m,) each."""

    fan: NDArray[np.intp]
    pairs: Pairs
    second: NDArray[np.intp]
    margin: NDArray[np.float64]
    posterior: NDArray[np.float64]
    threshold: NDArray[np.float64]
    review: NDArray[np.float64]


class _Search:
    """One video against the fans of its event."""

    def __init__(
        self, fans: FanColumns, seen: AppearanceColumns, policy: MatchPolicy, calibration: Calibration
    ) -> None:
        self._fans = fans
        self._seen = seen
        self._policy = policy
        self._calibration = calibration
        # An appearance that can never be a match is no chance for a false one.
        decidable = sum(not unfit(one, policy) for one in seen.documents)
        self._pair_fmr = policy.pair_fmr(len(fans), decidable)
        self._reason = (
            f"at most {policy.target_false_matches:g} strangers expected in {len(fans)} fans × {decidable} "
            f"appearances (counted as at least {policy.min_search_pairs} pairs): pair FMR {self._pair_fmr:.1e}"
        )

    def run(self) -> Iterator[MatchDocument]:
        """Yield the decisions that are worth keeping."""
        if not len(self._fans) or not len(self._seen):
            return
        found = self._find()
        beside = CoVisible(self._seen.documents, self._policy.same_place_iou)
        for row in np.flatnonzero(found.pairs.distance <= found.review):
            decided = self._decide(int(row), found, beside)
            if decided is not None:
                yield decided

    def _find(self) -> _Found:
        nearest = nearest_fans(self._fans, self._seen, self._calibration, self._policy.chunk_appearances)
        rows = np.arange(len(self._seen), dtype=np.intp)
        best = measure_pairs(self._fans, nearest.best, self._seen, rows, self._calibration)
        share = self._policy.prior_present / len(self._fans)
        odds = share * np.exp(self._calibration.log_likelihood_ratio(best.distance, best.cohesion))
        nobody = 1.0 - self._policy.prior_present
        margin = np.full(len(rows), np.inf)
        other = np.zeros(len(rows))
        if len(self._fans) > 1:
            second = measure_pairs(self._fans, nearest.second, self._seen, rows, self._calibration)
            margin = second.deviation - best.deviation
            other = share * np.exp(self._calibration.log_likelihood_ratio(second.distance, second.cohesion))
        # Fans beyond the runner-up weigh on average as much as their prior: they are counted into `nobody`.
        return _Found(
            fan=nearest.best,
            pairs=best,
            second=nearest.second,
            margin=margin,
            posterior=odds / (odds + other + nobody),
            threshold=self._calibration.distance_at(self._pair_fmr, best.cohesion),
            review=self._calibration.distance_at(
                min(self._pair_fmr * self._policy.review_factor, 0.5), best.cohesion
            ),
        )

    def _decide(self, row: int, found: _Found, beside: CoVisible) -> MatchDocument | None:
        fan_row, second = int(found.fan[row]), int(found.second[row])
        fan, distance = self._fans.documents[fan_row], float(found.pairs.distance[row])
        candidate = Candidate(
            appearance=self._seen.documents[row],
            probability=float(found.posterior[row]),
            runner_up_margin=float(found.margin[row]),
            rival_margin=self._rival_margin(fan_row, float(found.pairs.deviation[row]), beside.beside(row)),
            fan_female_probability=float(self._fans.female_probability[fan_row]),
            fan_age_years=float(self._fans.age_years[fan_row]),
            selfies_disagree=fan.reason == DISAGREE_REASON,
        )
        gates = fired(candidate, self._policy)
        decision = decision_for(distance, float(found.threshold[row]), gates)
        if decision == "none":
            return None
        evidence = Evidence(
            distance=round(distance, 4),
            threshold=round(float(found.threshold[row]), 4),
            review_threshold=round(float(found.review[row]), 4),
            threshold_reason=f"{self._reason}; cohesion of the templates {found.pairs.cohesion[row]:.3f}",
            runner_up_fan_id=self._fans.documents[second].fan_id if second >= 0 else None,
            runner_up_margin=round(candidate.runner_up_margin, 2) if second >= 0 else None,
            supporting_faces=candidate.appearance.supporting_faces,
            supporting_distances=self._selfie_distances(fan, row),
            gates=gates,
        )
        return _document(fan, candidate, decision, evidence)

    def _rival_margin(self, fan_row: int, deviation: float, rivals: NDArray[np.intp]) -> float:
        """Return by how many deviations the nearest face seen beside is farther from the fan."""
        if not len(rivals):
            return float("inf")
        same_fan = np.full(len(rivals), fan_row, np.intp)
        pairs = measure_pairs(self._fans, same_fan, self._seen, rivals, self._calibration)
        return float(pairs.deviation.min()) - deviation

    def _selfie_distances(self, fan: FanDocument, row: int) -> tuple[float, ...]:
        """Return the distance of the appearance to each selfie of the fan, by blob name."""
        selfies = pooled_selfies(fan)
        if not selfies:
            return ()
        distances = distance_from_cosine(selfie_rows(selfies)[0] @ self._seen.templates[row])
        return tuple(round(float(one), 4) for one in distances)


def _document(fan: FanDocument, candidate: Candidate, decision: Decision, evidence: Evidence) -> MatchDocument:
    appearance = candidate.appearance
    assert appearance.model_contract is not None  # checked when the columns were made
    return MatchDocument(
        id=naming.match_id(appearance.id, fan.fan_id),
        fan_id=fan.fan_id,
        video_id=appearance.video_id,
        event_id=appearance.event_id,
        appearance_id=appearance.id,
        start_ms=appearance.start_ms,
        end_ms=appearance.end_ms,
        probability=round(candidate.probability, 4),
        decision=decision,
        evidence=evidence,
        model_contract=appearance.model_contract,
    )
