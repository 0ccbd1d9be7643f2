"""Reading TFJS weight shards: packed tensors, optionally quantised."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.errors import ModelFault

Tensor = NDArray[Any]
Weights = Mapping[str, Tensor]


def read_weights(folder: Path, groups: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Return every tensor of a TFJS weights manifest in TensorFlow layout (floats as float32).

    Tensors lie in the shards one after the other without alignment. `quantization` is either affine
    (`q * scale + min`, computed in double and rounded once, as tfjs-core `decodeWeights` does) or float16.
    Raises ModelFault `weights_malformed` when manifest and shard disagree.
    """
    tensors: dict[str, Tensor] = {}
    for group in groups:
        data = b"".join((folder / str(path)).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            tensor, offset = _read_tensor(data, offset, entry)
            tensors[str(entry["name"])] = tensor
        if offset != len(data):
            raise ModelFault(
                "weights_malformed",
                f"{group['paths'][0]}: the manifest describes {offset} bytes, the file has {len(data)}. "
                "Reinstall the npm packages.",
            )
    return tensors


def _read_tensor(data: bytes, offset: int, entry: Mapping[str, Any]) -> tuple[Tensor, int]:
    quantization: Mapping[str, Any] | None = entry.get("quantization")
    shape = tuple(int(size) for size in entry["shape"])
    stored = np.dtype(str(quantization["dtype"] if quantization else entry["dtype"])).newbyteorder("<")
    count = int(np.prod(shape, dtype=np.int64))
    end = offset + count * stored.itemsize
    if end > len(data):
        raise ModelFault("weights_malformed", f"tensor {entry['name']} reaches past the end of its shard.")
    values = np.frombuffer(data, stored, count, offset).reshape(shape)
    if quantization and "scale" in quantization:
        values = values.astype(np.float64) * float(quantization["scale"]) + float(quantization["min"])
    target = np.int32 if entry["dtype"] == "int32" else np.float32
    return values.astype(target), end


def read_manifest(path: Path) -> dict[str, Tensor]:
    """Read a face-api `*-weights_manifest.json` with the shards beside it."""
    groups: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return read_weights(path.parent, groups)
