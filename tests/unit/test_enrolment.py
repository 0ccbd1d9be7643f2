"""Selfies become a fan's template: idempotent, order-free, without strangers."""

from itertools import permutations

import numpy as np
import pytest

from fanreel.contracts import FanDocument, SelfieRecord, Vectors
from fanreel.domain.enrolment import (
    DISAGREE_REASON,
    OUTLIER_REASON,
    SELFIE_DISAGREES_REASON,
    pooled_selfies,
    with_enrolment_started,
    with_selfie,
)
from fanreel.domain.matching import MatchPolicy, decide_matches
from fanreel.domain.matching.gallery import fan_columns
from fanreel.errors import ContractBroken, NotAllowed

from .matching_world import CONSENT, CONTRACT, EVENT, WORLD, appearance, person, seen_at

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("made_templates")]

MEASURED = WORLD
NEW = FanDocument(id="ann", fan_id="ann", event_ids=(EVENT,), consent=CONSENT)


def selfie(
    name: str, distance: float = 0.35, *, of: int = 0, etag: str = "1", quality: float = 0.9
) -> SelfieRecord:
    row = seen_at(person(of), distance, noise=sum(name.encode()) % 30)
    return SelfieRecord(
        blob_name=f"ann/{name}",
        blob_etag=etag,
        status="accepted",
        quality=quality,
        template=Vectors.pack(row[None]),
    )


def rejected(name: str, reason: str = "selfie_no_face") -> SelfieRecord:
    return SelfieRecord(blob_name=f"ann/{name}", blob_etag="1", status="rejected", reason=reason)


def enrolled(*records: SelfieRecord, start: FanDocument = NEW) -> FanDocument:
    for record in records:
        start = with_selfie(start, record, CONTRACT, MEASURED)
    return start


def reasons(fan: FanDocument) -> dict[str, str | None]:
    return {one.blob_name: one.reason for one in fan.selfies}


def row_of(fan: FanDocument) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    assert fan.template is not None
    return fan.template.unpack()[0]


def test_a_good_selfie_makes_the_fan_ready() -> None:
    ready = enrolled(selfie("a"))
    assert (ready.status, ready.reason, ready.model_contract) == ("ready", None, CONTRACT)
    assert np.linalg.norm(row_of(ready)) == pytest.approx(1, abs=1e-6)


def test_pooling_comes_nearer_to_the_person() -> None:
    far = [
        float(np.linalg.norm(row_of(enrolled(*map(selfie, names))) - person(0))) for names in ("a", "ab", "abc")
    ]
    assert far[0] > far[1] > far[2]


def test_the_order_of_selfies_does_not_matter() -> None:
    records = [selfie("a"), selfie("b", quality=0.6), selfie("c"), rejected("d")]
    templates = {row_of(enrolled(*order)).tobytes() for order in permutations(records)}
    assert len(templates) == 1


def test_the_same_selfie_again_changes_nothing() -> None:
    once = enrolled(selfie("a"), selfie("b"))
    assert with_selfie(once, selfie("b"), CONTRACT, MEASURED) is once


def test_a_new_etag_replaces_the_picture_and_its_search() -> None:
    before = enrolled(selfie("a"), selfie("b")).model_copy(update={"searched_selfies": 2})
    after = with_selfie(before, selfie("b", 0.2, etag="2"), CONTRACT, MEASURED)
    assert [one.blob_etag for one in after.selfies] == ["1", "2"]
    assert after.searched_selfies == 1
    assert row_of(after).tolist() == row_of(enrolled(selfie("a"), selfie("b", 0.2, etag="2"))).tolist()


def test_rejected_selfies_give_their_reason_until_a_good_one_comes() -> None:
    bad = enrolled(rejected("a"), rejected("b", "selfie_face_too_small"))
    assert (bad.status, bad.reason, bad.template) == ("rejected", "selfie_face_too_small", None)
    good = enrolled(selfie("c"), start=bad)
    assert (good.status, good.reason) == ("ready", None)
    assert with_selfie(good, rejected("d"), CONTRACT, MEASURED).status == "ready"


def test_replacing_the_only_good_selfie_by_a_bad_one_leaves_no_template() -> None:
    good = enrolled(selfie("a"))
    bad = with_selfie(good, rejected("a").model_copy(update={"blob_etag": "2"}), CONTRACT, MEASURED)
    assert (bad.status, bad.template, bad.model_contract) == ("rejected", None, None)


def test_among_three_the_strangers_picture_is_flagged_and_left_out() -> None:
    fan = enrolled(selfie("a"), selfie("b"), selfie("x", of=5))
    assert {one.blob_name: one.reason for one in fan.selfies} == {
        "ann/a": None,
        "ann/b": None,
        "ann/x": OUTLIER_REASON,
    }
    assert row_of(fan).tolist() == row_of(enrolled(selfie("a"), selfie("b"))).tolist()
    assert fan.reason is None


def test_a_flag_is_lifted_when_further_selfies_agree_with_it() -> None:
    flagged = enrolled(selfie("a"), selfie("b"), selfie("x", of=5))
    assert reasons(flagged)["ann/x"] == OUTLIER_REASON
    fan = enrolled(*(selfie(name, of=5) for name in "wyz"), start=flagged)
    assert [one.blob_name for one in pooled_selfies(fan)] == ["ann/w", "ann/x", "ann/y", "ann/z"]
    assert reasons(fan) | {"ann/a": OUTLIER_REASON, "ann/b": OUTLIER_REASON} == reasons(fan)


def test_several_strangers_are_left_out_while_twice_as_many_agree() -> None:
    own = [selfie(name) for name in "abcd"]
    fan = enrolled(*own, selfie("x", of=5), selfie("y", of=6))
    assert {name for name, reason in reasons(fan).items() if reason == OUTLIER_REASON} == {"ann/x", "ann/y"}
    assert fan.reason is None
    assert row_of(fan).tolist() == row_of(enrolled(*own)).tolist()


def test_two_against_three_are_too_many_to_choose() -> None:
    fan = enrolled(*(selfie(name) for name in "ab"), *(selfie(name, of=5) for name in "xyz"))
    assert fan.reason == DISAGREE_REASON
    assert sorted(filter(None, reasons(fan).values())) == [SELFIE_DISAGREES_REASON] * 4 + [OUTLIER_REASON]


def test_of_two_that_disagree_both_are_told_until_a_third_decides() -> None:
    two = enrolled(selfie("a"), selfie("x", of=5))
    assert two.reason == DISAGREE_REASON
    assert reasons(two) == {"ann/a": SELFIE_DISAGREES_REASON, "ann/x": SELFIE_DISAGREES_REASON}
    assert all(one.hint for one in two.selfies)
    three = enrolled(selfie("b"), start=two)
    assert three.reason is None
    assert reasons(three) == {"ann/a": None, "ann/b": None, "ann/x": OUTLIER_REASON}
    assert {one.blob_name: bool(one.hint) for one in three.selfies} == {
        "ann/a": False,
        "ann/b": False,
        "ann/x": True,
    }


def test_a_replaced_stranger_is_forgotten() -> None:
    two = enrolled(selfie("a"), selfie("x", of=5))
    fixed = with_selfie(two, selfie("x", etag="2"), CONTRACT, MEASURED)
    assert (fixed.reason, set(reasons(fixed).values())) == (None, {None})


def test_doubts_do_not_depend_on_the_order_of_selfies() -> None:
    records = [selfie("a"), selfie("b"), selfie("x", of=5), selfie("y", of=6)]
    told = {tuple(sorted(reasons(enrolled(*order)).items())) for order in permutations(records)}
    assert len(told) == 1


def test_selfies_are_not_judged_by_another_networks_measurements() -> None:
    other = CONTRACT.model_copy(update={"sha256": "0" * 64})
    fan = with_selfie(with_selfie(NEW, selfie("a"), other, MEASURED), selfie("x", of=5), other, MEASURED)
    assert (fan.reason, set(reasons(fan).values())) == (None, {None})


def test_the_cohesion_says_how_much_the_selfies_agree() -> None:
    fan = enrolled(selfie("a"), selfie("b"), selfie("c"))
    assert fan.cohesion == pytest.approx(float(fan_columns([fan]).cohesion[0]), abs=1e-4)
    assert enrolled(selfie("a")).cohesion == pytest.approx(1, abs=1e-6)
    assert enrolled(rejected("a")).cohesion is None


def test_two_selfies_of_two_people_are_ready_but_match_nobody() -> None:
    fan = enrolled(selfie("a", 0.2), selfie("x", 0.2, of=5))
    assert (fan.status, fan.reason) == ("ready", DISAGREE_REASON)
    seen = [appearance(str(who), person(who), start_ms=1_000 * who) for who in (0, 5)]
    assert all(match.decision == "review" for match in decide_matches([fan], seen, MatchPolicy()))


def test_without_consent_nothing_biometric_is_kept() -> None:
    fan = with_selfie(NEW.model_copy(update={"consent": None}), selfie("a"), CONTRACT, MEASURED)
    assert (fan.status, fan.reason, fan.template) == ("rejected", "consent_missing", None)
    assert fan.selfies[0].template is None
    assert fan.selfies[0].hint


def test_selfies_of_two_networks_are_never_pooled() -> None:
    other = CONTRACT.model_copy(update={"sha256": "0" * 64})
    old = enrolled(selfie("a"), rejected("z"))
    fan = with_selfie(old, selfie("b"), other, MEASURED)
    assert (fan.status, fan.model_contract) == ("ready", other)
    assert [one.blob_name for one in pooled_selfies(fan)] == ["ann/b"]
    assert fan.template is not None
    assert np.allclose(row_of(fan), row_of(with_selfie(NEW, selfie("b"), other, MEASURED)))
    by_name = {one.blob_name: one for one in fan.selfies}
    assert (by_name["ann/a"].reason, by_name["ann/a"].template) == ("model_changed", None)
    assert by_name["ann/a"].hint
    assert by_name["ann/z"].reason == "selfie_no_face"


def test_a_bad_picture_after_a_change_of_network_takes_nothing_away() -> None:
    other = CONTRACT.model_copy(update={"sha256": "0" * 64})
    old = enrolled(selfie("a"))
    fan = with_selfie(old, rejected("b"), other, MEASURED)
    assert (fan.status, fan.template, fan.model_contract) == ("ready", old.template, CONTRACT)


def test_an_erased_fan_is_left_alone() -> None:
    erased = NEW.model_copy(update={"status": "erased"})
    for step in (
        lambda: with_selfie(erased, selfie("a"), CONTRACT, MEASURED),
        lambda: with_enrolment_started(erased),
    ):
        with pytest.raises(NotAllowed):
            step()


@pytest.mark.parametrize(
    ("before", "after"), [("created", "enrolling"), ("rejected", "enrolling"), ("ready", "ready")]
)
def test_starting_an_enrolment_keeps_a_ready_fan_ready(before: str, after: str) -> None:
    assert with_enrolment_started(NEW.model_copy(update={"status": before})).status == after


def test_a_damaged_template_is_refused() -> None:
    damaged = selfie("a").model_copy(update={"template": Vectors.pack(np.full((1, 64), np.nan, np.float32))})
    with pytest.raises(ContractBroken):
        enrolled(damaged)
