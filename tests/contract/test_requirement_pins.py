"""The pinned requirement files are what the project needs and what was tested."""

import re
from pathlib import Path

import pytest

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
