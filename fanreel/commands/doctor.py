"""`fanreel doctor`: what this machine has, and what to do about what it has not."""

import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import typer
from rich.console import Console
from rich.text import Text

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.commands.detector import FALLBACK, REMEDY, quick_detectors
from fanreel.errors import FanreelError
from fanreel.inference.catalogue import catalogue
from fanreel.inference.liveness import REMEDY as LIVENESS_REMEDY
from fanreel.inference.liveness import liveness_states
from fanreel.inference.packs import states
from fanreel.local.processes import accepts, project_root
from fanreel.local.servers import node_binary, npm_package
from fanreel.local.stack import HOST_PORT, current_stack
from fanreel.settings import get_settings

Verdict = Literal["ok", "note", "missing"]
COLOURS: dict[Verdict, str] = {"ok": "green", "note": "yellow", "missing": "red"}
NODE_MAJOR = 20
PYTHON_MODULES = ("av", "cv2", "onnxruntime", "azure.functions", "azure.durable_functions", "azure.cosmos")

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `missing` fails the command; `note` is worth knowing and stops nothing."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def doctor() -> None:
    """Print what was found here and what to do; ends with 1 when something needed is missing."""
    found = findings()
    width = max(len(each.name) for each in found)
    for each in found:
        remedy = f"  → {each.remedy}" if each.remedy else ""
        mark = Text(f"{each.verdict:<8}", style=COLOURS[each.verdict])
        console.print(mark + Text(f"{each.name:<{width}}  {each.found}{remedy}"))
    if any(each.verdict == "missing" for each in found):
        raise typer.Exit(1)


def findings() -> list[Finding]:
    """Look at everything; never raises for something that is absent."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _node, _npm, _ffmpeg, _models, _liveness, _provider, _port, _mirror,
    )  # fmt: skip
    return [finding for check in checks for finding in check()]


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    enough = sys.version_info >= (3, 11)
    yield Finding(
        "Python", "ok" if enough else "missing", version, "" if enough else "install Python 3.11 or newer"
    )
    lacking = [name for name in PYTHON_MODULES if not _importable(name)]
    found = f"without {', '.join(lacking)}" if lacking else f"all {len(PYTHON_MODULES)} key packages"
    yield Finding("Python packages", "missing" if lacking else "ok", found, "run `make setup`" if lacking else "")


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _node() -> Iterator[Finding]:
    try:
        node = node_binary()
        text = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        major = int(text.strip().lstrip("v").split(".")[0])
    except (FanreelError, OSError, ValueError, subprocess.SubprocessError) as error:
        yield Finding(
            "Node.js", "missing", str(error), f"install Node.js {NODE_MAJOR} or newer and put it on PATH"
        )
        return
    old = major < NODE_MAJOR
    remedy = f"install Node.js {NODE_MAJOR} or newer" if old else ""
    yield Finding("Node.js", "missing" if old else "ok", f"{text.strip()} at {node}", remedy)


def _npm() -> Iterator[Finding]:
    wanted: dict[str, str] = json.loads((project_root() / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        try:
            found = str(json.loads((npm_package(name) / "package.json").read_text())["version"])
        except FanreelError:
            yield Finding(f"npm {name}", "missing", "not installed", "run `make setup` (or `npm ci`)")
            continue
        same = found == version
        yield Finding(
            f"npm {name}", "ok" if same else "note", found, "" if same else f"{version} is tested: `npm ci`"
        )


def _ffmpeg() -> Iterator[Finding]:
    try:
        binary = ffmpeg_binary()
        text = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (FanreelError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        yield Finding("ffmpeg", "missing", str(error), "run `make setup`, or set FANREEL_FFMPEG to a binary")
        return
    yield Finding("ffmpeg", "ok", " ".join(text.split()[:3]))


def _models() -> Iterator[Finding]:
    settings = get_settings()
    found = states(settings, catalogue().pack("baseline"))
    needed = [state for state in found if not state.entry.optional]
    bad = [f"{state.entry.id} {state.state}" for state in needed if not state.ready]
    text = f"{len(needed) - len(bad)} of {len(needed)} networks in {settings.model_dir}"
    remedy = f"run `fanreel models build` ({', '.join(bad)})" if bad else ""
    yield Finding("models (baseline)", "missing" if bad else "ok", text, remedy)
    quick = quick_detectors(settings)
    if any(state.ready for state in quick):
        yield Finding("face detector", "ok", ", ".join(state.entry.id for state in quick if state.ready))
    elif quick:
        yield Finding("face detector", "note", FALLBACK, REMEDY)


def _liveness() -> Iterator[Finding]:
    settings = get_settings()
    if not settings.selfie_liveness:
        yield Finding("selfie liveness", "ok", "switched off (FANREEL_SELFIE_LIVENESS=false)")
        return
    bad = {state.entry.id: state.state for state in liveness_states(settings) if not state.ready}
    if not bad:
        yield Finding("selfie liveness", "ok", f"both networks in {settings.model_dir}")
        return
    # Absent ones only cost the advice; a damaged one is refused when selfies are measured.
    verdict: Verdict = "note" if set(bad.values()) == {"missing"} else "missing"
    found = ", ".join(f"{name} {state}" for name, state in bad.items())
    yield Finding("selfie liveness", verdict, f"{found}: no advice on selfies", f"run `{LIVENESS_REMEDY}`")


def _provider() -> Iterator[Finding]:
    wanted = get_settings().execution_provider
    try:
        import onnxruntime
    except ImportError:
        yield Finding("onnxruntime", "missing", "not installed", "run `make setup`")
        return
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    driver = "driver found" if shutil.which("nvidia-smi") else "no NVIDIA driver found"
    found = f"{onnxruntime.__version__}, {'CUDA build' if has_cuda else 'CPU build'}, {driver}"
    if wanted == "cuda" and not has_cuda:
        yield Finding("onnxruntime", "missing", found, "install gpu_workers/requirements-gpu.txt")
    elif not has_cuda:
        yield Finding("onnxruntime", "ok", found, "for a GPU: gpu_workers/requirements-gpu.txt")
    else:
        yield Finding("onnxruntime", "ok", found)


def _port() -> Iterator[Finding]:
    running = current_stack()
    if running is not None:
        yield Finding("stack", "ok", f"running at {running.api_url} (pid {running.pid})")
    elif accepts(HOST_PORT):
        yield Finding(f"port {HOST_PORT}", "note", "taken by something else", "another free port will be used")
    else:
        yield Finding(f"port {HOST_PORT}", "ok", "free")


def _mirror() -> Iterator[Finding]:
    mirror = get_settings().model_mirror
    if mirror:
        yield Finding("model mirror", "ok", mirror)
    else:
        yield Finding("model mirror", "ok", "none", "FANREEL_MODEL_MIRROR may name a directory of model files")
    shared = project_root().parent / "shared" / "media"
    there = shared.is_dir()
    yield Finding(
        "../shared/media",
        "ok" if there else "note",
        "found" if there else "absent",
        "" if there else "tests that need it will skip",
    )
