"""Fans who look like one person are found by the measured distances, whatever the size of the event."""

import numpy as np
import pytest

from fanreel.contracts import FanDocument, ModelContract, Vectors
from fanreel.domain.duplicates import (
    MAX_FALSE_FLAGS,
    MAX_FMR,
    Template,
    find_duplicates,
    template_of,
    template_of_row,
    with_duplicate,
)
from fanreel.errors import ContractBroken

from .matching_world import CONTRACT, WORLD, fan, person, seen_at

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("made_templates")]

MEASURED = WORLD
OTHER_CONTRACT = ModelContract(model_id="other", sha256="0" * 64, preprocessing="1")


def template(name: str, distance: float, of: int = 0, cohesion: float = 1.0, noise: int = 0) -> Template:
    return Template(name, Vectors.pack(seen_at(person(of), distance, noise)[None]), cohesion, CONTRACT)


def allowed(others: int, cohesion: float = 1.0) -> float:
    rate = min(MAX_FALSE_FLAGS / others, MAX_FMR)
    return float(MEASURED.distance_at(rate, np.array([cohesion]))[0])


OWN = template("ann", 0.0)


def test_one_persons_two_registrations_are_found_and_strangers_are_not() -> None:
    others = [template("twin", 0.35), *(template(f"stranger{who}", 0.1, of=who) for who in range(1, 20))]
    assert find_duplicates(OWN, others, MEASURED) == ("twin",)


def test_the_distance_is_the_calibrations_at_a_rate_that_falls_with_the_number_of_fans() -> None:
    limits = {count: allowed(count) for count in (1, 100, 10_000)}
    assert limits[1] == limits[100] > limits[10_000]
    crowd = [template(f"c{who}", 0.2, of=who % 20 + 1, noise=who % 20) for who in range(999)]
    near, far = allowed(1_000) - 0.01, allowed(1_000) + 0.01
    assert find_duplicates(OWN, [template("n", near), *crowd], MEASURED) == ("n",)
    assert find_duplicates(OWN, [template("f", far), *crowd], MEASURED) == ()
    assert find_duplicates(OWN, [template("f", far)], MEASURED) == ("f",)


def test_pooled_templates_must_lie_nearer() -> None:
    distance = (allowed(1) + allowed(1, 0.9)) / 2
    assert find_duplicates(OWN, [template("single", distance)], MEASURED) == ("single",)
    assert find_duplicates(OWN, [template("pooled", distance, cohesion=0.9)], MEASURED) == ()


def test_nobody_is_their_own_duplicate_or_that_of_another_network() -> None:
    of_another = Template("other", OWN.template, 1.0, OTHER_CONTRACT)
    assert find_duplicates(OWN, [OWN, of_another], MEASURED) == ()
    assert find_duplicates(of_another, [Template("x", OWN.template, 1.0, OTHER_CONTRACT)], MEASURED) == ()


def test_only_fans_who_may_be_searched_are_compared() -> None:
    ready = fan("ann", person(0))
    assert template_of(ready) is not None
    for changes in ({"consent": None}, {"status": "erased"}, {"template": None}, {"model_contract": None}):
        assert template_of(ready.model_copy(update=changes)) is None


def test_a_stored_fans_fields_say_the_same_as_the_fan() -> None:
    ready = fan("ann", person(0), cohesion=0.93)
    wire = ready.to_wire()
    row = {name: wire[name] for name in ("fanId", "template", "cohesion", "modelContract")}
    assert template_of_row(row) == template_of(ready)
    with pytest.raises(ContractBroken, match="template_without_contract"):
        template_of_row({**row, "modelContract": None})


def test_marks_come_and_go_and_a_second_time_changes_nothing() -> None:
    ready = fan("ann", person(0))
    marked = with_duplicate(ready, "bob", is_duplicate=True)
    assert isinstance(marked, FanDocument)
    assert marked.duplicate_of == ("bob",)
    assert with_duplicate(marked, "bob", is_duplicate=True) is None
    assert with_duplicate(ready, "bob", is_duplicate=False) is None
    cleared = with_duplicate(marked, "bob", is_duplicate=False)
    assert cleared is not None
    assert cleared.duplicate_of == ()


def test_among_ten_thousand_fans_the_one_duplicate_is_found() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(10_000, 1_152)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    crowd = [Template(f"f{i}", Vectors.pack(row[None]), 1.0, CONTRACT) for i, row in enumerate(rows)]
    again = Template("again", crowd[77].template, 1.0, CONTRACT)
    assert find_duplicates(again, crowd, MEASURED) == ("f77",)


def test_a_damaged_template_is_a_bug_and_not_a_stranger() -> None:
    damaged = Template("d", Vectors.pack(np.full((1, 64), np.nan, np.float32)), 1.0, CONTRACT)
    with pytest.raises(ContractBroken, match="template_invalid"):
        find_duplicates(OWN, [damaged], MEASURED)
