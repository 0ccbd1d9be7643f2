"""onnxruntime behind a small protocol: verified files in, named arrays out."""

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fanreel.errors import ModelFault
from fanreel.settings import Settings

from .catalogue import catalogue
from .half import within_tolerance

Array = NDArray[Any]
Provider = Literal["cpu", "cuda"]

BATCH_BUCKETS = {"cpu": (8, 4, 2, 1), "cuda": (32, 16, 8, 4, 2, 1)}
"""The only batch sizes networks see, so that there are few shapes to warm up. On the CPU larger batches are slower
per face: their intermediate planes fall out of the cache."""


class Session(Protocol):
    """A loaded network."""

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Batch sizes worth running, largest first, ending in 1."""
        ...

    @property
    def fills_batches(self) -> bool:
        """Whether a batch is filled up to the next size, because a call costs more than idle rows, or split."""
        ...

    @property
    def calls_at_once(self) -> int:
        """How many calls are worth making at the same time."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return all outputs by name; raises ModelFault `inference_failed`."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How sessions are opened. `threads` work inside one call; work is better spread over calls at once."""

    provider: Provider = "cpu"
    threads: int = 1
    calls_at_once: int = 1
    half: bool = False
    """Run in 16 bit where the outputs stay within `half.TOLERANCE`; for devices that gain by it."""

    @staticmethod
    def of(settings: Settings) -> "RuntimeOptions":
        """Take the options from the settings."""
        if settings.execution_provider == "cuda":
            return RuntimeOptions("cuda", half=settings.half_precision)
        return RuntimeOptions(calls_at_once=settings.inference_threads or usable_cores())


class OnnxSession:
    """One onnxruntime session."""

    def __init__(self, model: bytes, name: str, options: RuntimeOptions) -> None:
        self._name = name
        self.batch_sizes = BATCH_BUCKETS[options.provider]
        self.fills_batches = options.provider == "cuda"
        self.calls_at_once = options.calls_at_once
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
                within_tolerance(model, name) if options.half else model,
                _session_options(options),
                providers=[(wanted, _provider_options(options.provider))],
            )
        except ModelFault:
            raise
        except Exception as error:  # onnxruntime raises bare and binding-specific types
            raise ModelFault("model_unloadable", f"{name} cannot be loaded by onnxruntime: {error}") from error
        if self._session.get_providers()[0] != wanted:  # onnxruntime falls back to the CPU with only a warning
            raise ModelFault("provider_missing", f"{name}: onnxruntime could not start its CUDA provider.")
        self._session.disable_fallback()
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._bound = BoundCalls(self._session, "cuda") if options.provider == "cuda" else None

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return all outputs by name; raises ModelFault `inference_failed` for any device or shape fault."""
        try:
            if self._bound is not None:
                return self._bound.run(feeds)
            results = self._session.run(self._outputs, dict(feeds))
        except Exception as error:  # see __init__
            raise ModelFault("inference_failed", f"{self._name}: {error}") from error
        return {name: np.asarray(result) for name, result in zip(self._outputs, results, strict=True)}


class BoundCalls:
    """Calls of a session whose inputs keep their place on the device, one place per shape.

    Shapes are few (fixed buckets), so nothing is allocated after warm-up and each call copies its pixels once. One
    call at a time: the device does one anyway, and the places are shared.
    """

    def __init__(self, session: ort.InferenceSession, device: str) -> None:
        self._session: Any = session
        self._device = device
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._places: dict[tuple[tuple[str, tuple[int, ...], str], ...], tuple[Any, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return all outputs by name, on the host."""
        key = tuple((name, value.shape, value.dtype.str) for name, value in feeds.items())
        with self._lock:
            binding, inputs = self._places.get(key) or self._places.setdefault(key, self._bind(feeds))
            for name, value in feeds.items():
                inputs[name].update_inplace(np.ascontiguousarray(value))
            self._session.run_with_iobinding(binding)
            results = binding.copy_outputs_to_cpu()
        return dict(zip(self._outputs, results, strict=True))

    def _bind(self, feeds: Mapping[str, Array]) -> tuple[Any, dict[str, Any]]:
        binding, make = self._session.io_binding(), ort.OrtValue.ortvalue_from_shape_and_type
        inputs = {name: make(value.shape, value.dtype.type, self._device, 0) for name, value in feeds.items()}
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, self._device)
        return binding, inputs


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session_options(options: RuntimeOptions) -> Any:
    session = ort.SessionOptions()
    session.intra_op_num_threads = options.threads
    session.inter_op_num_threads = 1
    session.log_severity_level = 3
    # Idle intra-op threads would spin and take the core that decodes the next frame.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session


def _provider_options(provider: Provider) -> dict[str, str]:
    if provider == "cpu":
        return {}
    return {
        "arena_extend_strategy": "kSameAsRequested",  # memory grows by what a bucket needs, not by doubling
        "cudnn_conv_algo_search": "HEURISTIC",  # trying out all algorithms takes a minute of every start
        "cudnn_conv_use_max_workspace": "1",
        "use_tf32": "0",  # templates of a GPU are compared with those of a CPU
    }


def open_network(entry_id: str, model_dir: Path, options: RuntimeOptions) -> OnnxSession:
    """Load a catalogue entry from the model directory, its checksum verified.

    Raises ModelFault `model_missing`, `model_checksum_mismatch`, `model_unloadable` or `provider_missing`.
    """
    entry = catalogue().entry(entry_id)
    path = model_dir / entry.file
    make = f"fanreel models {'build' if entry.build else 'pull'} {entry.pack}"
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


def batches(count: int, sizes: Sequence[int], *, filled: bool) -> list[tuple[int, int]]:
    """Return (rows, batch size) of the calls that take `count` rows through batches of the given sizes.

    sizes   largest first, ending in 1
    filled  the last call takes the smallest size that holds the rest; otherwise every size is used to the full
    """
    calls: list[tuple[int, int]] = []
    while count > 0:
        size = next(size for size in sizes if size <= count) if count < sizes[0] else sizes[0]
        if filled and count < sizes[0]:
            size = min(size for size in sizes if size >= count)
        calls.append((min(size, count), size))
        count -= size
    return calls


def run_in_batches(session: Session, pictures: Array, input_name: str = "image") -> dict[str, Array]:
    """Run pictures (n, …), n ≥ 1, through one input in batches; outputs have n rows. Raises ModelFault."""
    calls: list[tuple[Array, int]] = []
    start = 0
    for rows, size in batches(len(pictures), session.batch_sizes, filled=session.fills_batches):
        part = pictures[start : start + rows]
        if rows < size:
            part = np.concatenate([part, np.zeros((size - rows, *part.shape[1:]), part.dtype)])
        calls.append((part, rows))
        start += rows

    def answers(call: tuple[Array, int]) -> dict[str, Array]:
        part, rows = call
        return {name: value[:rows] for name, value in session.run({input_name: part}).items()}

    if len(calls) == 1:
        return answers(calls[0])
    with ThreadPoolExecutor(min(session.calls_at_once, len(calls)), thread_name_prefix="call") as pool:
        parts = list(pool.map(answers, calls))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
