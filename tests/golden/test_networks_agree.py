"""Our ONNX networks answer what the original JavaScript answers (recorded by record_networks.mjs)."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fanreel.inference.catalogue import catalogue
from fanreel.inference.runtime import RuntimeOptions, open_network
from fanreel.settings import Settings

from .network_inputs import NETWORKS, pictures

pytestmark = pytest.mark.golden

# Largest difference of any recorded number: about ten times what was seen on the machine that recorded them.
TOLERANCE = {
    ("face_recognition", "descriptor"): 4e-6,
    ("face_expression", "probabilities"): 5e-6,
    ("age_gender", "age"): 1e-4,
    ("age_gender", "gender"): 2e-6,
    ("face_landmark_68", "points"): 3e-6,
    ("ssd_mobilenetv1", "boxes"): 5e-6,
    ("ssd_mobilenetv1", "scores"): 3e-5,
    ("faceres", "descriptor"): 3e-5,
    ("faceres", "gender"): 2e-6,
    ("faceres", "age"): 1e-6,
    ("facemesh", "mesh"): 1e-3,  # pixels of a 192 px picture
    ("facemesh", "presence"): 1e-6,
    ("facemesh", "contours"): 1e-3,
    ("emotion", "probabilities"): 5e-6,
}


@cache
def recorded() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "networks_recorded.json").read_text("utf-8"))["networks"]


@pytest.mark.parametrize("network", NETWORKS)
def test_network_answers_as_the_original_does(network: str, ssd_settings: Settings) -> None:
    inputs, golden = pictures(network), recorded()[network]
    assert hashlib.sha256(inputs.tobytes()).hexdigest() == golden["sha256"], "other pixels than were recorded"
    entry = next(entry for entry in catalogue().network if entry.file == f"{network}.onnx")
    outputs = open_network(entry.id, ssd_settings.model_dir, RuntimeOptions()).run({"image": inputs})
    assert set(outputs) == set(golden["outputs"])
    for name, rows in golden["outputs"].items():
        limit = TOLERANCE[network, name]
        for ours, theirs in zip(outputs[name].reshape(len(inputs), -1), rows, strict=True):
            assert ours.size == theirs["size"]
            assert np.abs(ours[:: theirs["step"]] - np.array(theirs["values"])).max() < limit, name
            # the numbers that were not kept are held by their sum and length
            assert abs(ours.astype(np.float64).sum() - theirs["sum"]) < limit * ours.size, name
            assert abs(np.linalg.norm(ours.astype(np.float64)) - theirs["length"]) < limit * np.sqrt(ours.size), (
                name
            )


def test_recorded_faces_differ_from_each_other() -> None:
    """The goldens would prove nothing if every picture gave the same answer."""
    rows = recorded()["face_recognition"]["outputs"]["descriptor"]
    vectors = np.array([row["values"] for row in rows])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    assert distances[np.triu_indices(len(unit), 1)].min() > 0.2
