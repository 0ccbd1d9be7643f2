"""The pinned requirement files are what the project needs and what was tested."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests import pins

pytestmark = pytest.mark.contract

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["gpu_workers/requirements-cpu.txt", "gpu_workers/requirements-gpu.txt"])
def test_the_worker_is_pinned_to_the_closure_of_the_project(name: str) -> None:
    assert (ROOT / name).read_text() == pins.files()[name], "run `python -m tests.pins`"


def test_every_tested_package_is_pinned_exactly() -> None:
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert all(re.fullmatch(r"[0-9][\w.+!-]*", version) for version in pinned.values())
    # An installed package that is not pinned would be missing from a fresh clone.
    assert pins.installed().items() <= pinned.items(), "run `python -m tests.pins`"


def test_the_worker_has_one_onnxruntime_per_image() -> None:
    cpu, gpu = ((ROOT / "gpu_workers" / f"requirements-{kind}.txt").read_text() for kind in ("cpu", "gpu"))
    assert "onnxruntime==" in cpu
    assert "onnxruntime-gpu" not in cpu
    assert "onnxruntime-gpu==" in gpu
    assert "onnxruntime==" not in gpu


MADE_HALF = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # importing one of these fails
from onnx import TensorProto, helper
from fanreel.inference.half import within_tolerance
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()
assert within_tolerance(model, "relu") != model
"""


def test_the_gpu_image_has_what_16_bit_needs() -> None:
    """A network is converted where nothing can be imported that is not pinned for the image."""
    lines = (ROOT / "gpu_workers" / "requirements-gpu.txt").read_text().splitlines()
    pinned = {line.split("==")[0].replace("onnxruntime-gpu", "onnxruntime") for line in lines} | pins.NOT_PINNED
    owners = metadata.packages_distributions()
    absent = [module for module, names in owners.items() if pinned.isdisjoint(map(canonicalize_name, names))]
    assert "hypothesis" in absent
    done = subprocess.run(
        [sys.executable, "-c", MADE_HALF, *absent], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_image_builds_its_networks_with_the_tested_packages() -> None:
    named = re.findall(r"'([\w-]+)==([\w.]+)'", (ROOT / "gpu_workers" / "Dockerfile").read_text())
    assert {name for name, _ in named} == {"onnx", "ml_dtypes", "protobuf"}
    assert {canonicalize_name(name): version for name, version in named}.items() <= pins.installed().items()
