"""One video against the fans of its event: every appearance's nearest fan, weighed, and what people have said.

People's verdicts come after the measuring, never into it: who is nearest, by which margin, and which face of a
frame is nearest to a fan is found as if nobody had said anything. So a `same` makes its own match and no other,
and a `different` only takes away: a fan who is ruled out still stands in the way of the next, who is asked about.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import Decision, Evidence, FanDocument, MatchDocument, ReviewDocument
from fanreel.domain import naming
from fanreel.domain.enrolment import DISAGREE_REASON, pooled_selfies, selfie_rows

from .calibration import Calibration, distance_from_cosine
from .distances import (
    Nearest,
    Pairs,
    Rows,
    closest_distances,
    measure_pairs,
    nearest_fans,
    nearest_of_others,
)
from .gallery import AppearanceColumns, FanColumns
from .gates import Candidate, decision_for, fired, unfit
from .links import Links, Pair
from .policy import MatchPolicy
from .rivals import CoVisible

F64 = NDArray[np.float64]

_REACH_STEPS = 1_001
_REACH_SLACK = 0.01
"""The farthest distance anybody is asked about is looked for at so many cohesions; between two of them it changes
by far less than the slack."""


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Pairs of a fan and an appearance with the distances that count, (k,) each. `other`: runner-up, −1: none."""

    fan: Rows
    row: Rows
    other: Rows
    pairs: Pairs
    margin: F64
    posterior: F64
    threshold: F64
    review: F64

    def in_question(self) -> Rows:
        """Return the indices of the pairs near enough to ask about."""
        return np.flatnonzero(self.pairs.distance <= self.review)


class VideoSearch:
    """One search; `run` once."""

    def __init__(
        self,
        fans: FanColumns,
        seen: AppearanceColumns,
        policy: MatchPolicy,
        calibration: Calibration,
        links: Links,
    ) -> None:
        self._fans = fans
        self._seen = seen
        self._policy = policy
        self._calibration = calibration
        self._links = links
        self._beside = CoVisible(seen.documents, policy.same_place_iou)
        self._fan_row = {fan.fan_id: row for row, fan in enumerate(fans.documents)}
        self._row = {one.id: row for row, one in enumerate(seen.documents)}
        self._linked = self._rows_of(links.same)
        self._denied = self._rows_of(links.different)
        self._taken = {self._row[appearance_id] for _, appearance_id in links.same if appearance_id in self._row}
        # An appearance that can never be a match is no chance for a false one.
        decidable = sum(not unfit(one, policy) for one in seen.documents)
        self._pair_fmr = policy.pair_fmr(len(fans), decidable)
        self._asked_fmr = min(self._pair_fmr * policy.review_factor, 0.5)
        self._reason = (
            f"at most {policy.target_false_matches:g} strangers expected in {len(fans)} fans × {decidable} "
            f"appearances (counted as at least {policy.min_search_pairs} pairs): pair FMR {self._pair_fmr:.1e}"
        )

    def run(self) -> Iterator[MatchDocument]:
        """Yield the decisions that are worth keeping."""
        if not len(self._fans) or not len(self._seen):
            return
        rows, chunk = self._rows_worth_weighing(), self._policy.chunk_appearances
        nearest = nearest_fans(self._fans, self._seen, rows, self._calibration, chunk)
        yield from self._reviewed(nearest)
        found = self._weigh(rows, nearest.best[rows], nearest)
        for index in found.in_question():
            row = int(found.row[index])
            if row in self._taken:
                continue
            excluded = self._excluded(row)
            if int(found.fan[index]) not in excluded:
                decided = self._decide(found, int(index))
            else:
                decided = self._next_after(excluded, row, nearest)
            if decided is not None:
                yield decided

    def _rows_worth_weighing(self) -> Rows:
        """Return the appearances near enough to anybody to be asked about, and those that people spoke of.

        Weighing everybody with everybody takes most of the time, and a crowd is mostly nobody.
        """
        closest = closest_distances(self._fans, self._seen, self._policy.chunk_appearances)
        lowest = float(self._seen.cohesion.min()) * float(self._fans.cohesion.min())
        highest = float(self._seen.cohesion.max()) * float(self._fans.cohesion.max())
        steps = np.linspace(lowest, highest, _REACH_STEPS)
        reach = max(
            float(self._calibration.distance_at(self._asked_fmr, steps, float(edge)).max())
            for edge in self._calibration.edges
        )
        worth = closest <= reach + _REACH_SLACK
        worth[list(self._linked)] = True
        return np.flatnonzero(worth)

    def _rows_of(self, pairs: Iterable[Pair]) -> dict[int, list[int]]:
        """Return the fans' rows by the appearance's row, of those who take part in this search."""
        rows: dict[int, list[int]] = {}
        for fan_id, appearance_id in sorted(pairs):
            if fan_id in self._fan_row and appearance_id in self._row:
                rows.setdefault(self._row[appearance_id], []).append(self._fan_row[fan_id])
        return rows

    def _reviewed(self, nearest: Nearest) -> Iterator[MatchDocument]:
        """Yield what people decided; verdicts that cannot both be true are asked about again."""
        pairs = [(row, fan) for row, fans in self._linked.items() for fan in fans]
        if not pairs:
            return
        rows, fans = np.array(pairs, np.intp).T
        weighed = self._weigh(rows, fans, nearest)
        for index in range(len(weighed.row)):
            fan, one = self._fans.documents[weighed.fan[index]], self._seen.documents[weighed.row[index]]
            decided = self._decide(weighed, index, self._links.same[fan.fan_id, one.id])
            if decided is not None:
                yield decided

    def _excluded(self, row: int) -> frozenset[int]:
        """Return the fans who are surely not this appearance: by verdict, or seen elsewhere in the same frame."""
        return frozenset(self._denied.get(row, ())) | self._linked_beside(row)

    def _linked_beside(self, row: int) -> set[int]:
        if not self._linked:
            return set()
        return {fan for other in self._beside.beside(row) for fan in self._linked.get(int(other), ())}

    def _next_after(self, excluded: frozenset[int], row: int, nearest: Nearest) -> MatchDocument | None:
        """Decide about the nearest fan who is not excluded; the margin to those keeps it from being a match."""
        fan = nearest_of_others(self._fans, self._seen, row, excluded, self._calibration)
        if fan < 0:
            return None
        found = self._weigh(np.array([row]), np.array([fan]), nearest)
        return self._decide(found, 0) if len(found.in_question()) else None

    def _weigh(self, rows: Rows, fans: Rows, nearest: Nearest) -> _Weighed:
        """Weigh pairs against the nearest other fan, whoever that is."""
        pairs = measure_pairs(self._fans, fans, self._seen, rows, self._calibration)
        other = np.where(nearest.best[rows] == fans, nearest.second[rows], nearest.best[rows])
        share = self._policy.prior_present / len(self._fans)
        odds = share * np.exp(self._likelihood_ratio(pairs))
        nobody = 1.0 - self._policy.prior_present
        margin, others_odds = np.full(len(rows), np.inf), np.zeros(len(rows))
        if len(self._fans) > 1:
            second = measure_pairs(self._fans, other, self._seen, rows, self._calibration)
            margin = second.comparable - pairs.comparable
            others_odds = share * np.exp(self._likelihood_ratio(second))
        # Fans beyond the runner-up weigh on average as much as their prior: they are counted into `nobody`.
        return _Weighed(
            fan=fans,
            row=rows,
            other=other,
            pairs=pairs,
            margin=margin,
            posterior=odds / (odds + others_odds + nobody),
            threshold=self._calibration.distance_at(self._pair_fmr, pairs.cohesion, pairs.quality),
            review=self._calibration.distance_at(self._asked_fmr, pairs.cohesion, pairs.quality),
        )

    def _likelihood_ratio(self, pairs: Pairs) -> F64:
        return self._calibration.log_likelihood_ratio(pairs.distance, pairs.cohesion, pairs.quality)

    def _decide(self, found: _Weighed, index: int, review: ReviewDocument | None = None) -> MatchDocument | None:
        """Decide about one pair; with a review, somebody has said that it is the same person."""
        fan_row, row, other = int(found.fan[index]), int(found.row[index]), int(found.other[index])
        fan, seen = self._fans.documents[fan_row], self._seen.documents[row]
        rival, rival_margin = self._rival(fan_row, float(found.pairs.comparable[index]), row)
        candidate = Candidate(
            appearance=seen,
            probability=float(found.posterior[index]),
            runner_up_margin=float(found.margin[index]),
            rival_margin=rival_margin,
            fan_female_probability=float(self._fans.female_probability[fan_row]),
            fan_age_years=float(self._fans.age_years[fan_row]),
            selfies_disagree=fan.reason == DISAGREE_REASON,
            person_denied=(fan.fan_id, seen.id) in self._links.doubted,
            reviews_contradict=review is not None and self._is_contradicted(fan_row, row),
        )
        gates = fired(candidate, self._policy)
        distance, threshold = float(found.pairs.distance[index]), float(found.threshold[index])
        decision = decision_for(distance, threshold, gates)
        if review is not None:
            decision = "review" if candidate.reviews_contradict else "match"
        if decision == "none":
            return None
        evidence = Evidence(
            distance=round(distance, 4),
            threshold=round(threshold, 4),
            review_threshold=round(float(found.review[index]), 4),
            threshold_reason=(
                f"{self._reason}; cohesion of the templates {found.pairs.cohesion[index]:.3f}, "
                f"quality of the faces {found.pairs.quality[index]:.2f}"
            ),
            runner_up_fan_id=self._fans.documents[other].fan_id if other >= 0 else None,
            runner_up_margin=round(candidate.runner_up_margin, 2) if other >= 0 else None,
            supporting_faces=seen.supporting_faces,
            supporting_distances=self._selfie_distances(fan, row),
            rival_appearance_id=self._seen.documents[rival].id if rival >= 0 else None,
            rival_margin=round(rival_margin, 2) if rival >= 0 else None,
            gates=gates,
            reviewed=review is not None,
            review_id=review.id if review is not None else None,
        )
        return _document(fan, candidate, decision, evidence)

    def _rival(self, fan_row: int, deviation: float, row: int) -> tuple[int, float]:
        """Return the face seen beside that is nearest to the fan (−1: none), and by how much it is farther."""
        rivals = self._beside.beside(row)
        if not len(rivals):
            return -1, float("inf")
        same_fan = np.full(len(rivals), fan_row, np.intp)
        deviations = measure_pairs(self._fans, same_fan, self._seen, rivals, self._calibration).comparable
        nearest = int(deviations.argmin())
        return int(rivals[nearest]), float(deviations[nearest]) - deviation

    def _is_contradicted(self, fan_row: int, row: int) -> bool:
        """Whether others are said to be the same appearance, or the fan to be a face beside it as well."""
        fans = self._links.fans_of(self._seen.documents[row].id)
        return len(fans) > 1 or fan_row in self._linked_beside(row)

    def _selfie_distances(self, fan: FanDocument, row: int) -> tuple[float, ...]:
        """Return the distance of the appearance to each selfie of the fan, by blob name."""
        selfies = pooled_selfies(fan)
        if not selfies:
            return ()
        rows = self._calibration.gallery_rows(selfie_rows(selfies)[0])
        distances = distance_from_cosine(rows @ self._seen.rows[row])
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
        probability=1.0 if evidence.reviewed and decision == "match" else round(candidate.probability, 4),
        decision=decision,
        evidence=evidence,
        model_contract=appearance.model_contract,
    )
