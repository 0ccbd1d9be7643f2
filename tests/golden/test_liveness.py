"""The anti-spoofing networks answer what npm Human answers, and what they say is advice only."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from fanreel.commands import doctor
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
from fanreel.inference.networks import load_networks
from fanreel.inference.packs import build_pack
from fanreel.inference.selfies import measure_selfie
from fanreel.settings import Settings

from .liveness_inputs import pictures
from .network_inputs import PHOTOS, ROOT

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


def test_absent_files_are_said_once_in_the_log(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"model_dir": tmp_path})
    with capture_logs() as logs:
        load_liveness(nowhere)
        load_liveness(nowhere)
    assert [(one["event"], one["missing"]) for one in logs] == [("models.liveness_absent", "antispoof, liveness")]


def whole_folder(settings: Settings, ssd_settings: Settings, folder: Path) -> Settings:
    """The baseline and the two networks of advice in one folder, as set-up leaves them."""
    for path in [*settings.model_dir.glob("*.onnx"), *ssd_settings.model_dir.glob("*.onnx")]:
        os.link(path, folder / path.name)
    return ssd_settings.model_copy(update={"model_dir": folder})


def test_a_selfie_is_measured_with_advice(settings: Settings, ssd_settings: Settings, tmp_path: Path) -> None:
    networks = load_networks(whole_folder(settings, ssd_settings, tmp_path), selfies=True)
    picture = np.asarray(cv2.imread(str(PHOTOS / "sample1.jpg")), np.uint8)[60:720, 1290:1860]
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    record = measure_selfie(data, networks, blob_name="ann/1.jpg", blob_etag="1")
    assert record.liveness.keys() == {"real", "live"}


def test_a_worker_neither_loads_nor_trips_over_the_advice(
    settings: Settings, ssd_settings: Settings, tmp_path: Path
) -> None:
    whole = whole_folder(settings, ssd_settings, tmp_path)
    damaged = tmp_path / "liveness.onnx"
    damaged.unlink()
    damaged.write_bytes(b"damaged")
    assert load_networks(whole).liveness is None
    with pytest.raises(ModelFault, match="fanreel models build extra"):
        load_networks(whole, selfies=True)


def test_the_functions_app_loads_the_advice(
    settings: Settings, ssd_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from activities import networks as app

    monkeypatch.setattr(app, "get_settings", lambda: whole_folder(settings, ssd_settings, tmp_path))
    monkeypatch.setattr(app, "_loaded", [])
    assert app.networks().liveness is not None


def test_set_up_builds_the_advice_and_the_workers_image_does_not() -> None:
    steps = subprocess.run(
        ["make", "-n", "-B", ".fanreel/models/.stamp"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "fanreel models build extra" in steps
    assert "extra" not in [word for line in image_runs() for word in line.split()]


def image_runs() -> list[str]:
    lines = (ROOT / "gpu_workers" / "Dockerfile").read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith("RUN ") and "fanreel models" in line]


def test_an_operator_who_does_not_want_the_advice_does_not_get_its_networks(tmp_path: Path) -> None:
    unwanted = Settings(model_dir=tmp_path, node_modules=ROOT / "node_modules", selfie_liveness=False)
    report = build_pack(unwanted, "extra")
    assert report.skipped == ("antispoof", "liveness")
    assert not {"antispoof", "liveness"} & {*report.made, *report.ready}
    assert "FANREEL_SELFIE_LIVENESS" in report.notes[0]
    assert [path.name for path in tmp_path.iterdir()] == ["person_mask.onnx"]


def test_doctor_says_whether_there_is_advice(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(changes: dict[str, object]) -> tuple[str, str]:
        changed = settings.model_copy(update=changes)
        monkeypatch.setattr(doctor, "get_settings", lambda: changed)
        finding = next(one for one in doctor.findings() if one.name == "selfie liveness")
        return finding.verdict, finding.remedy

    assert found({}) == ("ok", "")
    assert found({"selfie_liveness": False}) == ("ok", "")
    assert found({"model_dir": tmp_path}) == ("note", "run `fanreel models build extra`")
    (tmp_path / "antispoof.onnx").write_bytes(b"damaged")
    assert found({"model_dir": tmp_path})[0] == "missing"


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
