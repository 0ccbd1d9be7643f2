"""Right and wrong appearances are counted as a person would."""

import json
from pathlib import Path

import numpy as np
import pytest

from fanreel.contracts import Evidence, MatchDocument
from fanreel.errors import InputRejected
from fanreel.evaluation.appearances import NOBODY, Place, Truth, read_truth, score_fan, total
from fanreel.evaluation.labelled import Embedded
from fanreel.evaluation.strangers import stranger_fans

from .matching_world import CONTRACT, EVENT, VIDEO, WORLD, appearance, person

pytestmark = pytest.mark.unit

EVIDENCE = Evidence(
    distance=0.4,
    threshold=0.5,
    review_threshold=0.6,
    threshold_reason="r",
    runner_up_fan_id=None,
    runner_up_margin=None,
    supporting_faces=3,
)


def match(start_s: float, end_s: float, *, fan: str = "ann", decision: str = "match") -> MatchDocument:
    return MatchDocument(
        id=f"{fan}-{start_s}",
        fan_id=fan,
        video_id=VIDEO,
        event_id=EVENT,
        appearance_id="a",
        start_ms=round(start_s * 1000),
        end_ms=round(end_s * 1000),
        probability=0.9,
        decision=decision,  # pyright: ignore[reportArgumentType]
        evidence=EVIDENCE,
        model_contract=CONTRACT,
    )


TRUTH = Truth({"ann": ((10.0, 20.0), (40.0, 50.0))})


def test_a_match_is_right_inside_a_span_and_wrong_beside_it() -> None:
    found = score_fan("ann", [match(9.6, 12), match(12, 13), match(19, 21), match(30, 31)], TRUTH)
    assert (found.right, found.wrong, found.on_screen, found.found) == (2, 2, 2, 1)


def test_nobody_is_in_two_places_at_once() -> None:
    found = score_fan("ann", [match(11, 15), match(12, 13), match(14.9, 16)], TRUTH)
    assert (found.right, found.wrong) == (2, 1), "a second face at one time is somebody else's"


def test_a_match_at_another_place_than_the_fan_is_wrong() -> None:
    places = (Place("ann", 10.0, 20.0, 100, 300), Place("bob", 10.0, 20.0, 600, 900))
    truth = Truth({"ann": ((10.0, 20.0),), "bob": ((10.0, 20.0),)}, places)
    left, right = appearance("l", None, left=120), appearance("r", None, left=650)
    seen = {"l": left, "r": right}
    own = [match(11, 12).model_copy(update={"appearance_id": "l"})]
    swapped = [match(11, 12).model_copy(update={"appearance_id": "r"})]
    assert (score_fan("ann", own, truth, seen).right, score_fan("ann", own, truth, seen).wrong) == (1, 0)
    assert (score_fan("ann", swapped, truth, seen).right, score_fan("ann", swapped, truth, seen).wrong) == (0, 1)


def test_who_is_not_named_is_not_on_screen() -> None:
    bob = score_fan("bob", [match(11, 12, fan="bob"), match(12, 13, fan="bob", decision="review")], TRUTH)
    assert (bob.right, bob.wrong, bob.review_wrong, bob.on_screen) == (0, 1, 1, 0)
    assert score_fan("ann", [match(11, 12)], NOBODY).wrong == 1


def test_the_total_counts_people_and_spans_apart() -> None:
    scores = [score_fan(name, [match(11, 12), match(41, 42, decision="review")], TRUTH) for name in ("ann", "bob")]
    found = total(scores, recognisable=10)
    assert (found.right, found.wrong, found.precision) == (1, 0, 1.0)
    assert (found.recall, found.people, found.reviews, found.review_rate) == (0.5, 1.0, 1, 0.1)


def test_both_forms_of_truth_are_read(tmp_path: Path) -> None:
    ours, shared = tmp_path / "a.json", tmp_path / "b.json"
    ours.write_text(json.dumps({"cutsMs": [1500], "people": {"ann": [[1000, 2000]]}}))
    scene = {"present": ["ann"]}
    scenes = [{"startSeconds": a, "endSeconds": b, **scene} for a, b in ((1.0, 2.0), (2.5, 3.0), (9.0, 9.5))]
    shared.write_text(json.dumps({"people": [*scenes, {"clip": "x"}]}))
    assert read_truth(ours) == Truth({"ann": ((1.0, 2.0),)})
    assert read_truth(shared).spans == {"ann": ((1.0, 3.0), (9.0, 9.5))}, "neighbouring scenes are one span"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"people": [{"present": ["a"]}]}'])
def test_a_malformed_truth_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(InputRejected) as refused:
        read_truth(path)
    assert refused.value.code == "truth_malformed"


def test_strangers_are_enrolled_from_all_their_photographs_and_the_few_are_among_the_many() -> None:
    rows = np.stack([person(0), person(0), person(1), person(2)])
    names = np.array(["A/1", "A/2", "B/1", "C/1"])
    column = np.full(4, 0.5, np.float32)
    faces = Embedded(rows, names, np.array(["A", "A", "B", "C"]), column, column, column, column)
    three = stranger_fans(faces, 3, EVENT, CONTRACT, WORLD)
    assert {fan.fan_id: len(fan.selfies) for fan in three} == {"stranger-A": 2, "stranger-B": 1, "stranger-C": 1}
    assert all(fan.status == "ready" and fan.template is not None for fan in three)
    assert stranger_fans(faces, 2, EVENT, CONTRACT, WORLD) == three[:2]
