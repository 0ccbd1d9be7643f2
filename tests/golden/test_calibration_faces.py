"""The shipped calibration holds for the networks as built here, on labelled photographs."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from fanreel.domain.matching import baseline_calibration
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks

pytestmark = pytest.mark.golden

EVERY = 12
"""One person in twelve: about 170 people, 15,000 pairs of strangers."""


@pytest.fixture(scope="module")
def photographs(shared_media: Path, yunet_networks: Networks) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows of up to two photographs of every twelfth person, and whose they are."""
    chips: list[FaceChips] = []
    people: list[str] = []
    with zipfile.ZipFile(shared_media / "lfw_dev.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(("_0001.jpg", "_0002.jpg")))
        chosen = set(sorted({name.split("/")[0] for name in names})[::EVERY])
        for name in (name for name in names if name.split("/")[0] in chosen):
            picture = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            frame = np.asarray(picture, np.uint8)
            faces = yunet_networks.detector.detect(frame)
            if len(faces):
                offset = np.abs((faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - 125).sum(axis=1)
                middle = faces.select(np.array([int(offset.argmin())]))
                chips.append(yunet_networks.embedder.chips(frame, middle))
                people.append(name.split("/")[0])
    return yunet_networks.embedder.embed(FaceChips.concatenate(chips)), np.array(people)


def test_strangers_pass_no_more_often_than_calibrated(photographs: tuple[np.ndarray, np.ndarray]) -> None:
    rows, people = photographs
    first = np.unique(people, return_index=True)[1]
    distances = np.linalg.norm(rows[first][:, None] - rows[first][None], axis=2)[np.triu_indices(len(first), 1)]
    assert len(distances) > 10_000
    for fmr, tolerated in ((1e-3, 2.0), (1e-4, 4.0)):  # 15 and 1.5 pairs are expected
        limit = float(baseline_calibration().distance_at(fmr, np.ones(1))[0])
        assert (distances <= limit).mean() <= fmr * tolerated, fmr


def test_most_people_are_recognised_on_another_photograph(photographs: tuple[np.ndarray, np.ndarray]) -> None:
    rows, people = photographs
    pairs = [(i, i + 1) for i in range(len(people) - 1) if people[i] == people[i + 1]]
    assert len(pairs) > 30
    distances = np.array([np.linalg.norm(rows[i] - rows[j]) for i, j in pairs])
    assert (distances <= float(baseline_calibration().distance_at(1e-4, np.ones(1))[0])).mean() > 0.7
