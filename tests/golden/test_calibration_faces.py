"""The shipped calibration holds for the networks as built here, on people it has never seen."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fanreel.domain.matching import baseline_calibration
from fanreel.evaluation.labelled import Embedded, embed, group_of, person_of, photographs
from fanreel.evaluation.verification import all_pairs, distance_of
from fanreel.inference.networks import Networks

pytestmark = pytest.mark.golden

EVERY = 3
"""One judged person in three, at most two photographs of each: about 15,000 pairs of strangers."""


@pytest.fixture(scope="module")
def judged(shared_media: Path, yunet_networks: Networks) -> Embedded:
    """Photographs of people who neither made prototypes nor calibrated."""
    archive = shared_media / "lfw_dev.zip"
    named = [name for name in _names(archive) if group_of(person_of(name)) == "judged"]
    people = set(sorted({person_of(name) for name in named})[::EVERY])
    chosen = {name for name in named if person_of(name) in people and name.endswith(("_0001", "_0002"))}
    return embed(yunet_networks, (one for one in photographs(archive) if one[0] in chosen))


def test_strangers_pass_no_more_often_than_calibrated(judged: Embedded) -> None:
    genuine, impostor = _distances(judged)
    assert len(impostor) > 10_000
    for fmr, tolerated in ((1e-2, 1.5), (1e-3, 2.0), (1e-4, 4.0)):  # 150, 15 and 1.5 pairs are expected
        limit = float(baseline_calibration().distance_at(fmr, np.ones(1))[0])
        assert (impostor <= limit).mean() <= fmr * tolerated, fmr
    assert len(genuine) > 30


def test_most_people_are_recognised_on_another_photograph(judged: Embedded) -> None:
    genuine, _ = _distances(judged)
    assert (genuine <= float(baseline_calibration().distance_at(1e-4, np.ones(1))[0])).mean() > 0.8


def _distances(faces: Embedded) -> tuple[np.ndarray, np.ndarray]:
    measured = baseline_calibration()
    pairs = all_pairs(measured.gallery_rows(faces.rows), measured.probe_rows(faces.rows), faces.person)
    genuine, impostor = (np.array([distance_of(float(one)) for one in cosines]) for cosines in pairs)
    return genuine, impostor


def _names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return [name.removesuffix(".jpg") for name in opened.namelist() if name.endswith(".jpg")]
