"""The anti-spoofing networks answer what npm Human answers, and what they say is advice only."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fanreel.domain.faces import F32, Faces
from fanreel.domain.selfie_checks import FACE_CODES
from fanreel.errors import ModelFault
from fanreel.inference.liveness import (
    LIVE_SIDE_PX,
    MAY_BE_A_PHOTO_BELOW,
    PHOTO_ADVICE,
    REAL_SIDE_PX,
    Liveness,
    liveness_advice,
    load_liveness,
)
from fanreel.inference.packs import build_pack
from fanreel.settings import Settings

from .liveness_inputs import pictures
from .network_inputs import ROOT

pytestmark = pytest.mark.golden

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "liveness_recorded.json").read_text("utf-8"))[
    "pictures"
]

TOLERANCE = {"real": 0.1, "live": 0.1}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = Settings(model_dir=tmp_path_factory.mktemp("extra"), node_modules=ROOT / "node_modules")
    build_pack(made, "extra")
    return made


@pytest.fixture(scope="module")
def liveness(settings: Settings) -> Liveness:
    loaded = load_liveness(settings)
    assert loaded is not None
    return loaded


def one_face(box: tuple[int, int, int, int]) -> Faces:
    boxes: F32 = np.array([box], np.float32)
    return Faces(boxes, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))


def test_every_face_of_the_demo_was_recorded() -> None:
    assert [one["file"] for one in RECORDED] == [f"{name}.raw" for name in pictures()]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: str(one["file"]))
def test_a_face_scores_as_in_the_original(recorded: dict[str, Any], liveness: Liveness) -> None:
    """Human shrinks without averaging, by way of 192 px, and ours averages: hence not to the last digit."""
    rgb, box = pictures()[recorded["file"].removesuffix(".raw")]
    assert hashlib.sha256(rgb.tobytes()).hexdigest() == recorded["sha256"], "other pixels than were recorded"
    scores = liveness.measure(np.ascontiguousarray(rgb[..., ::-1]), one_face(box))
    for name, theirs in recorded["scores"].items():
        assert abs(scores[name] - theirs) < TOLERANCE[name], (name, scores)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: str(one["file"]))
def test_the_networks_answer_the_same_pixels_as_the_original(recorded: dict[str, Any], liveness: Liveness) -> None:
    rgb, (x0, y0, x1, y1) = pictures()[recorded["file"].removesuffix(".raw")]
    for name, session, side in (("real", liveness.real, REAL_SIDE_PX), ("live", liveness.live, LIVE_SIDE_PX)):
        x, y = (x0 + x1) // 2 - side // 2, (y0 + y1) // 2 - side // 2
        pixels = np.ascontiguousarray(rgb[None, y : y + side, x : x + side])
        assert np.abs(session.run({"image": pixels})[name][0] - np.array(recorded["exact"][name])).max() < 1e-5


def test_without_the_wish_or_the_files_there_is_no_advice(settings: Settings, tmp_path: Path) -> None:
    assert load_liveness(settings.model_copy(update={"selfie_liveness": False})) is None
    assert load_liveness(settings.model_copy(update={"model_dir": tmp_path})) is None
    assert liveness_advice({}) == ()


def test_a_damaged_file_is_a_fault_and_not_an_absence(settings: Settings, tmp_path: Path) -> None:
    for path in settings.model_dir.glob("*.onnx"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelFault, match="model_checksum_mismatch"):
        load_liveness(settings.model_copy(update={"model_dir": tmp_path}))


def test_advice_needs_both_networks_and_is_not_for_the_fan() -> None:
    low, high = MAY_BE_A_PHOTO_BELOW - 0.01, MAY_BE_A_PHOTO_BELOW + 0.01
    assert liveness_advice({"real": low, "live": low}) == (PHOTO_ADVICE,)
    assert liveness_advice({"real": low, "live": high}) == ()
    assert liveness_advice({"real": high, "live": low}) == ()
    assert PHOTO_ADVICE not in FACE_CODES


def test_any_box_is_scored(liveness: Liveness) -> None:
    flat = np.asarray(cv2.cvtColor(np.zeros((40, 30), np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)
    for box in ((-50, -50, 80, 80), (10, 10, 10, 10), (29, 39, 500, 500)):
        scores = liveness.measure(flat, one_face(box))
        assert all(0 <= score <= 1 for score in scores.values())
