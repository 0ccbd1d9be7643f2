"""Who is who: the decision over all fans and all appearances of a search (open set: mostly nobody)."""

from collections.abc import Sequence

from fanreel.contracts import AppearanceDocument, FanDocument, MatchDocument, ReviewDocument

from .calibration import Calibration, baseline_calibration
from .gallery import appearance_columns, common_contract, fan_columns
from .links import resolve_links
from .policy import MatchPolicy
from .search import VideoSearch


def decide_matches(
    fans: Sequence[FanDocument],
    appearances: Sequence[AppearanceDocument],
    policy: MatchPolicy,
    *,
    reviews: Sequence[ReviewDocument] = (),
    calibration: Calibration | None = None,
) -> list[MatchDocument]:
    """Decide which fan, if any, each appearance shows; `match` and `review` are returned, ordered by id.

    Every video is a search of its own, among the fans of its event: give **all** of that event's fans, also when
    the answer is wanted for one: who else it could be, and how many were compared, is part of the
    decision. Fans without template or consent and appearances without template are passed over. The order of the
    arguments does not matter; a further fan never creates a match for another.

    What people said in `reviews` is never asked again: `same` is a match, `different` is none. Beyond the pair
    that was asked about, a verdict only ever takes matches away.

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
    links = resolve_links(reviews, everyone.documents)
    decided: list[MatchDocument] = []
    gallery, everyone = gallery.comparable(measured), everyone.comparable(measured)
    for (event, _), seen in everyone.by_search().items():
        search = VideoSearch(gallery.of_event(event), seen, policy, measured, links)
        decided.extend(search.run())
    return sorted(decided, key=lambda match: match.id)
