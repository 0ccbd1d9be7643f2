"""A small ONNX graph writer: named in creation order, so that the same calls give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
Padding = Literal["same", "valid"]
Tensor = NDArray[Any]


def window_pads(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int, int]:
    """Return (before, after, output size) of one axis. TF 'same' puts the odd pixel after (SAME_UPPER)."""
    if padding == "valid":
        return 0, 0, (size - kernel) // stride + 1
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, out


@dataclass(slots=True)
class GraphWriter:
    """Collects nodes and constants; values are named w<k> (constants) and t<k> (results)."""

    name: str
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    constants: list[onnx.TensorProto] = field(default_factory=list[onnx.TensorProto])
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list[onnx.ValueInfoProto])
    count: int = 0

    def constant(self, value: Tensor | np.generic) -> str:
        """Add an initialiser and return its name."""
        self.count += 1
        name = f"w{self.count}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        """Add an int64 vector (axes, shapes, pads)."""
        return self.constant(np.array(values, np.int64))

    def op(self, kind: str, operands: Sequence[str], **attributes: Any) -> str:
        """Add a one-result node and return the result's name."""
        self.count += 1
        result = f"t{self.count}"
        self.nodes.append(
            helper.make_node(kind, list(operands), [result], name=f"{kind}_{self.count}", **attributes)
        )
        return result

    def picture(
        self, height: int, width: int, channels: int, mean: Sequence[float] | None, scale: float | None
    ) -> str:
        """Declare the uint8 NHWC input `image`; return (x - mean) / scale as float NCHW.

        Mean and scale stay nodes of the graph: folded into a padded convolution they are wrong at the borders.
        """
        shape = ["batch", height, width, channels]
        self.inputs.append(helper.make_tensor_value_info("image", TensorProto.UINT8, shape))
        x = self.op("Transpose", [self.op("Cast", ["image"], to=TensorProto.FLOAT)], perm=[0, 3, 1, 2])
        if mean is not None:
            x = self.op("Sub", [x, self.constant(np.array(mean, np.float32).reshape(1, -1, 1, 1))])
        return x if scale is None else self.op("Div", [x, self.constant(np.float32(scale))])

    def finish(self, outputs: Mapping[str, tuple[str, Sequence[int]]]) -> bytes:
        """Name the outputs ({name: (value, shape without batch)}), check the model and return its bytes."""
        infos: list[onnx.ValueInfoProto] = []
        for name, (value, shape) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name], name=f"out_{name}"))
            infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]))
        graph = helper.make_graph(self.nodes, self.name, self.inputs, infos, self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="fanreel",
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)
