"""Building the networks is reproducible, idempotent and picky about its sources."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from fanreel.errors import InputRejected, ModelFault
from fanreel.inference.build.steps import STEPS, build_step
from fanreel.inference.catalogue import catalogue
from fanreel.inference.networks import load_networks
from fanreel.inference.packs import build_pack, pull_pack, states
from fanreel.settings import Settings

from .network_inputs import ROOT

pytestmark = pytest.mark.golden

NODE_MODULES = ROOT / "node_modules"


@pytest.mark.parametrize("entry", [e for e in catalogue().network if e.build], ids=lambda e: e.id)
def test_two_builds_give_the_bytes_the_catalogue_names(entry) -> None:
    step = build_step(str(entry.build))
    first, second = step.run(NODE_MODULES), step.run(NODE_MODULES)
    assert first == second
    assert (hashlib.sha256(first).hexdigest(), len(first)) == (entry.sha256, entry.bytes)


def test_every_build_step_is_in_the_catalogue() -> None:
    assert {entry.build for entry in catalogue().network if entry.build} == set(STEPS)


def test_second_build_has_nothing_to_do(ssd_settings: Settings) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in ssd_settings.model_dir.iterdir()}
    report = build_pack(ssd_settings)
    assert report.made == ()
    assert report.line() == "models: baseline pack ready (8 networks, 67 MB)"
    assert {path.name: path.stat().st_mtime_ns for path in ssd_settings.model_dir.iterdir()} == before


def test_set_up_goes_on_without_the_fetched_detector_and_says_so_once(ssd_settings: Settings) -> None:
    nowhere = ssd_settings.model_copy(update={"model_mirror": "http://127.0.0.1:9/models"})
    report = pull_pack(nowhere, "baseline")
    assert (report.skipped, report.ready) == (("yunet",), ())
    assert len(report.notes) == 1
    assert "the tiled SSD serves" in report.notes[0]
    assert load_networks(nowhere).detector.name == "ssd_tiled"


def test_damaged_file_is_refused_then_rebuilt(ssd_settings: Settings, tmp_path: Path) -> None:
    settings = ssd_settings.model_copy(update={"model_dir": tmp_path})
    for path in ssd_settings.model_dir.glob("*.onnx"):
        shutil.copyfile(path, tmp_path / path.name)
    damaged = tmp_path / "age_gender.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelFault, match="fanreel models build") as fault:
        load_networks(settings)
    assert fault.value.code == "model_checksum_mismatch"
    assert [s.state for s in states(settings) if s.entry.id == "age_gender"] == ["wrong"]
    assert build_pack(settings).made == ("age_gender",)
    assert load_networks(settings).embedder.dimension == 1152


def test_missing_pack_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelFault, match="run `fanreel models build baseline`") as fault:
        load_networks(Settings(model_dir=tmp_path))
    assert fault.value.code == "model_missing"


def test_cuda_without_a_cuda_provider_never_falls_back(ssd_settings: Settings) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ModelFault) as fault:
        load_networks(ssd_settings.model_copy(update={"execution_provider": "cuda"}))
    assert fault.value.code == "provider_missing"


def _fake_package(folder: Path, version: str) -> Path:
    root = folder / "@vladmandic" / "face-api"
    (root / "model").mkdir(parents=True)
    (root / "package.json").write_text(json.dumps({"version": version}))
    return root


def test_other_package_version_is_rejected(tmp_path: Path) -> None:
    _fake_package(tmp_path, "1.7.14")
    with pytest.raises(InputRejected, match="npm ci") as rejected:
        build_step("face_api.expression").run(tmp_path)
    assert rejected.value.code == "npm_package_version"


def test_absent_package_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputRejected) as rejected:
        build_step("human.faceres").run(tmp_path)
    assert rejected.value.code == "npm_package_missing"


@pytest.mark.parametrize("change", [-1, 1])
def test_shard_of_another_length_is_a_model_fault(tmp_path: Path, change: int) -> None:
    root = _fake_package(tmp_path, "1.7.15")
    original = NODE_MODULES / "@vladmandic" / "face-api" / "model"
    shutil.copyfile(
        original / "face_expression_model-weights_manifest.json",
        root / "model" / "face_expression_model-weights_manifest.json",
    )
    shard = (original / "face_expression_model.bin").read_bytes()
    (root / "model" / "face_expression_model.bin").write_bytes(shard[:-1] if change < 0 else shard + b"\0")
    with pytest.raises(ModelFault) as fault:
        build_step("face_api.expression").run(tmp_path)
    assert fault.value.code == "weights_malformed"
