"""Networks in 16 bit, where that changes their answers little enough."""

from typing import Any

import numpy as np
import onnxruntime as ort
import structlog
from numpy.typing import NDArray

from fanreel.errors import ModelFault

log = structlog.get_logger()

TOLERANCE = 4e-3
"""Largest difference of any output, as a share of that output's largest value. A template may turn by as much,
beside a match threshold of about 0.5. On noise: the recognisers .0005 and .0012, expression .0025, YuNet .0058
and the SSD .035, which therefore stay in 32 bit."""

TRIAL_SIDE_PX = 192
"""Free sides of the trial picture; a multiple of 32."""


def within_tolerance(model: bytes, name: str) -> bytes:
    """Return the network in 16 bit, its inputs and outputs as before; or as it is, when that changes too much.

    Both are tried on one made picture, on the CPU. Raises ModelFault `half_needs_onnx` where that package is
    missing.
    """
    half = to_half(model)
    apart = difference(model, half)
    taken = apart <= TOLERANCE
    log.info("models.half", model=name, difference=round(apart, 5), tolerance=TOLERANCE, taken=taken)
    return half if taken else model


def to_half(model: bytes) -> bytes:
    """Return the network with 16-bit weights and arithmetic, its inputs and outputs as before."""
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise ModelFault(
            "half_needs_onnx",
            "FANREEL_HALF_PRECISION converts networks when they are loaded: it needs onnx (extra `gpu`).",
        ) from error
    converted: Any = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    return converted.SerializeToString()


def difference(first: bytes, second: bytes) -> float:
    """Return the largest difference of any output as a share of that output's largest value."""
    answers = [_answers(model) for model in (first, second)]
    return max(
        float(np.abs(a - b).max() / max(float(np.abs(a).max()), 1e-6)) for a, b in zip(*answers, strict=True)
    )


def _answers(model: bytes) -> list[NDArray[np.float32]]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0)
    feeds: dict[str, NDArray[Any]] = {}
    for wanted in session.get_inputs():
        shape = [size if isinstance(size, int) else TRIAL_SIDE_PX for size in wanted.shape]
        shape[0] = 1
        pixels = noise.integers(0, 256, shape)
        feeds[wanted.name] = pixels.astype(np.uint8 if "uint8" in wanted.type else np.float32)
    return [np.asarray(answer, np.float32) for answer in session.run(None, feeds)]
