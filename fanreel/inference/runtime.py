"""onnxruntime behind a small protocol: verified files in, named arrays out."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fanreel.errors import ModelFault
from fanreel.settings import Settings

from .catalogue import catalogue

Array = NDArray[Any]
Provider = Literal["cpu", "cuda"]

BATCH_BUCKETS = {"cpu": (8, 4, 2, 1), "cuda": (32, 16, 8, 4, 2, 1)}
"""The only batch sizes networks see: few shapes to warm up, and no padding, since any number is a sum of them.
On the CPU larger batches are slower per face: their intermediate planes fall out of the cache."""


class Session(Protocol):
    """A loaded network."""

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes worth running, largest first, ending in 1."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return all outputs by name; raises ModelFault `inference_failed`."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How sessions are opened. `threads` 0 = one per core this process may use."""

    provider: Provider = "cpu"
    threads: int = 0

    @staticmethod
    def of(settings: Settings) -> "RuntimeOptions":
        """Take the options from the settings."""
        return RuntimeOptions(settings.execution_provider, settings.inference_threads)


class OnnxSession:
    """One onnxruntime session."""

    def __init__(self, model: bytes, name: str, options: RuntimeOptions) -> None:
        self._name = name
        self.batch_sizes = BATCH_BUCKETS[options.provider]
        wanted = "CUDAExecutionProvider" if options.provider == "cuda" else "CPUExecutionProvider"
        if wanted not in ort.get_available_providers():
            raise ModelFault(
                "provider_missing",
                f"execution provider {options.provider} is asked for, but this onnxruntime offers only "
                f"{', '.join(ort.get_available_providers())}. Install onnxruntime-gpu (extra `gpu`) on a machine "
                "with a CUDA device, or set FANREEL_EXECUTION_PROVIDER=cpu.",
            )
        try:
            self._session = ort.InferenceSession(
                model, _session_options(options), providers=[(wanted, _provider_options(options.provider))]
            )
        except Exception as error:  # onnxruntime raises bare and binding-specific types
            raise ModelFault("model_unloadable", f"{name} cannot be loaded by onnxruntime: {error}") from error
        if self._session.get_providers()[0] != wanted:  # onnxruntime falls back to the CPU with only a warning
            raise ModelFault("provider_missing", f"{name}: onnxruntime could not start its CUDA provider.")
        self._session.disable_fallback()
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return all outputs by name; raises ModelFault `inference_failed` for any device or shape fault."""
        try:
            results = self._session.run(self._outputs, dict(feeds))
        except Exception as error:  # see __init__
            raise ModelFault("inference_failed", f"{self._name}: {error}") from error
        return {name: np.asarray(result) for name, result in zip(self._outputs, results, strict=True)}


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session_options(options: RuntimeOptions) -> Any:
    session = ort.SessionOptions()
    session.intra_op_num_threads = options.threads or usable_cores()
    session.inter_op_num_threads = 1
    session.log_severity_level = 3
    # Idle intra-op threads would spin and take the core that decodes the next frame.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session


def _provider_options(provider: Provider) -> dict[str, str]:
    if provider == "cpu":
        return {}
    return {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"}


def open_network(entry_id: str, model_dir: Path, options: RuntimeOptions) -> OnnxSession:
    """Load a catalogue entry from the model directory, its checksum verified.

    Raises ModelFault `model_missing`, `model_checksum_mismatch`, `model_unloadable` or `provider_missing`.
    """
    entry = catalogue().entry(entry_id)
    path = model_dir / entry.file
    make = "fanreel models build" if entry.build else f"fanreel models pull {entry.pack}"
    try:
        model = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelFault("model_missing", f"{path} does not exist: run `{make}`.", model=entry.id) from error
    if hashlib.sha256(model).hexdigest() != entry.expected_sha256(model_dir):
        raise ModelFault(
            "model_checksum_mismatch",
            f"{path} is not the file the catalogue names: delete it and run `{make}`.",
            model=entry.id,
        )
    return OnnxSession(model, entry.file, options)


def run_in_batches(session: Session, pictures: NDArray[np.uint8]) -> dict[str, Array]:
    """Run pictures (n, h, w, c), n ≥ 1, through input `image` in batches; outputs have n rows."""
    parts: list[dict[str, Array]] = []
    start = 0
    while start < len(pictures):
        size = next(bucket for bucket in session.batch_sizes if bucket <= len(pictures) - start)
        parts.append(session.run({"image": pictures[start : start + size]}))
        start += size
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
