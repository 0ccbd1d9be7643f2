"""Write the pinned requirement files from what is installed: `python -m tests.pins` (in the project's .venv).

`tests/requirements.txt` is everything a developer's environment holds; the worker's two files are the closure of
the project's own dependencies with one build of onnxruntime. A contract test holds the files to this.
"""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
HEADER = "# Pinned, transitive ones included. Made by `python -m tests.pins`; do not edit.\n"
# Ours, and what every virtual environment brings.
NOT_PINNED = {"fanreel", "pip", "setuptools", "wheel"}


def installed() -> dict[str, str]:
    """Every installed distribution: canonical name → version."""
    found = {canonicalize_name(each.metadata["Name"]): each.version for each in metadata.distributions()}
    return {name: version for name, version in sorted(found.items()) if name not in NOT_PINNED}


def closure(requirements: list[str]) -> set[str]:
    """Canonical names of the requirements and of everything they need on this platform."""
    names: set[str] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name in names and not requirement.extras:
            continue
        names.add(name)
        for text in metadata.requires(name) or []:
            waiting += [(Requirement(text), wanted) for wanted in ("", *requirement.extras)]
    return names - NOT_PINNED


def files() -> dict[str, str]:
    """Path under the root → text of each requirement file."""
    versions = installed()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {name: f"{name}=={versions[name]}\n" for name in versions}

    def worker(extra: str) -> str:
        # Installed here is the CPU build of onnxruntime; both builds need the same packages.
        wanted = [
            each.replace("onnxruntime-gpu", "onnxruntime") for each in project["optional-dependencies"][extra]
        ]
        return "".join(pins[name] for name in sorted(closure([*project["dependencies"], *wanted])))

    cpu, gpu = worker("cpu"), re.sub(r"^onnxruntime==", "onnxruntime-gpu==", worker("gpu"), flags=re.MULTILINE)
    return {
        "tests/requirements.txt": HEADER + "".join(pins.values()),
        "gpu_workers/requirements-cpu.txt": HEADER + cpu,
        "gpu_workers/requirements-gpu.txt": HEADER + gpu,
    }


if __name__ == "__main__":
    for path, text in files().items():
        (ROOT / path).write_text(text)
        sys.stdout.write(f"{path}: {text.count('==')} packages\n")
