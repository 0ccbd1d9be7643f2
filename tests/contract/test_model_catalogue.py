"""The catalogue says of every network where it comes from, under which licence, and how it is fed."""

import tomllib

import pytest
from pydantic import ValidationError

from fanreel.domain.attributes import EXPRESSIONS, VALENCE_AROUSAL
from fanreel.errors import ModelFault
from fanreel.inference.catalogue import Catalogue, Entry, catalogue
from fanreel.inference.embedder import PREPROCESSING, fused_contract

pytestmark = pytest.mark.contract

ENTRIES = catalogue().network


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_entry_is_complete(entry: Entry) -> None:
    assert entry.licence_code
    assert entry.licence_weights
    assert entry.evidence
    assert len(entry.input.mean) == len(entry.input.std) == (1 if entry.input.colour == "grey" else 3)
    assert all(deviation > 0 for deviation in entry.input.std)
    if entry.url:
        assert entry.url.startswith("https://")
    if entry.licence_weights.startswith("CC-BY"):
        assert entry.attribution, "this licence asks for attribution"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_commercial_use_is_only_claimed_under_a_licence_that_allows_it(entry: Entry) -> None:
    free = {"MIT", "Apache-2.0", "CC0-1.0", "CC-BY-4.0", "BSD-3-Clause"}
    assert entry.commercial == (entry.licence_weights in free)


def test_baseline_is_built_here_and_only_its_optional_part_is_fetched() -> None:
    baseline = catalogue().pack("baseline")
    assert sum(entry.build is not None for entry in baseline) == 8
    assert (
        {entry.id for entry in baseline if entry.url}
        == {entry.id for entry in baseline if entry.optional}
        == {"yunet"}
    )
    assert all(entry.commercial for entry in baseline)


def test_required_networks_are_never_non_commercial() -> None:
    assert not [
        entry.id for entry in ENTRIES if entry.pack != "extra" and not entry.commercial and not entry.optional
    ]


def test_unknown_network_is_a_model_fault() -> None:
    with pytest.raises(ModelFault) as fault:
        catalogue().entry("nobody")
    assert fault.value.code == "model_unknown"


VALID = """
[[network]]
id = "a"
role = "detect"
pack = "pro"
file = "a.onnx"
url = "https://example.org/a.onnx"
sha256 = ""
bytes = 0
licence_code = "MIT"
licence_weights = "MIT"
commercial = true
evidence = "none"
input = { side_px = 0, colour = "rgb", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }
alignment = "none"
preprocessing = "none-1"
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('licence_weights = "MIT"', 'licence_weights = ""'),
        ('url = "https://example.org/a.onnx"', ""),
        ('url = "https://example.org/a.onnx"', 'build = "human.faceres"'),
        ('url = "https:', 'url = "http:'),
        ('file = "a.onnx"', 'file = "../a.onnx"'),
        ('sha256 = ""', 'sha256 = "abc"'),
        ("commercial = true", ""),
    ],
)
def test_incomplete_entry_is_not_accepted(old: str, new: str) -> None:
    Catalogue.model_validate(tomllib.loads(VALID))
    with pytest.raises(ValidationError):
        Catalogue.model_validate(tomllib.loads(VALID.replace(old, new)))


def test_template_contract_changes_with_either_network() -> None:
    first, second = (catalogue().entry(name) for name in ("face_recognition", "face_context"))
    contract = fused_contract(first.sha256, second.sha256)
    assert contract.preprocessing == PREPROCESSING == f"{first.preprocessing}+{second.preprocessing}+flip-1"
    assert contract != fused_contract(first.sha256, first.sha256)
    assert contract != fused_contract(second.sha256, second.sha256)


def test_every_expression_has_its_feeling() -> None:
    assert VALENCE_AROUSAL.shape == (len(EXPRESSIONS), 2)
    assert abs(VALENCE_AROUSAL).max() <= 1
