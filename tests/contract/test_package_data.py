"""What the library reads beside its code is in its wheel."""

import subprocess
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_beside_the_code_is_packaged() -> None:
    package = ROOT / "fanreel"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "fanreel"
    ]
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    listed = subprocess.run(["git", "ls-files", "-z", "fanreel"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a git checkout to tell the package's files from leftovers")
    files = {ROOT / name for name in listed.stdout.split("\0") if name and not name.endswith(".py")}
    assert files
    assert {path for path in files if path.is_file()} <= packaged
