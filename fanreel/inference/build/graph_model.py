"""Translating TFJS graph models (GraphDef nodes + weights) of npm `@vladmandic/human` to ONNX.

Rank-4 values are NCHW in the ONNX graph and NHWC in the GraphDef; shapes below are GraphDef shapes without the
batch. Only the operations these networks use are known; any other raises ModelFault `graph_op_unknown`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from fanreel.errors import ModelFault

from .graph import GraphWriter, window_pads
from .nodes import Node
from .simplify import simplify
from .weights import Tensor, read_weights


@dataclass(frozen=True, slots=True)
class Value:
    """A translated value: its ONNX name and its GraphDef shape without the batch, e.g. (h, w, c) or (c,)."""

    name: str
    shape: tuple[int, ...]


def translate(path: Path, mean: Sequence[float] | None, scale: float | None, outputs: Mapping[str, str]) -> bytes:
    """Translate the graph model at `path` (its .json); returns the ONNX bytes.

    The input is `image` uint8 NHWC, normalised to (x - mean) / scale in the graph. `outputs` maps the names of
    the ONNX outputs to GraphDef node names.
    """
    model: dict[str, Any] = json.loads(path.read_text("utf-8"))
    weights = read_weights(path.parent, model["weightsManifest"])
    nodes = [
        Node(str(n["name"]), str(n["op"]), tuple(str(i) for i in n.get("input") or ()), n.get("attr") or {})
        for n in model["modelTopology"]["node"]
    ]
    wanted = list(outputs.values())
    ordered, weights = simplify(_in_order(nodes, wanted), weights, wanted)
    translation = _Translation(GraphWriter(path.stem), weights, mean, scale)
    for node in ordered:
        translation.values[node.name] = translation.node(node)
    found = {name: translation.as_given(translation.values[node]) for name, node in outputs.items()}
    return translation.graph.finish({name: (value.name, value.shape) for name, value in found.items()})


def _in_order(nodes: Sequence[Node], wanted: Sequence[str]) -> list[Node]:
    """Return the computing nodes that lead to `wanted`, each after its inputs (depth first, input order)."""
    by_name = {node.name: node for node in nodes}
    done: dict[str, Node] = {}

    def visit(name: str) -> None:
        node = by_name[name.split(":")[0]]
        if node.op == "Const" or node.name in done:
            return
        for operand in node.inputs:
            visit(operand)
        done[node.name] = node

    for name in wanted:
        visit(name)
    return list(done.values())


@dataclass(slots=True)
class _Translation:
    graph: GraphWriter
    weights: Mapping[str, Tensor]
    mean: Sequence[float] | None
    scale: float | None
    values: dict[str, Value] = field(default_factory=dict[str, Value])

    def node(self, node: Node) -> Value:
        """Translate one node whose inputs are already translated."""
        handlers = {
            "Placeholder": self._input,
            "Identity": lambda n: self.values[n.inputs[0]],
            "Conv2D": self._convolution,
            "_FusedConv2D": self._convolution,
            "DepthwiseConv2dNative": self._convolution,
            "FusedDepthwiseConv2dNative": self._convolution,
            "_FusedMatMul": self._dense,
            "Add": self._elementwise,
            "AddV2": self._elementwise,
            "AddN": self._elementwise,
            "Mul": self._elementwise,
            "Minimum": self._elementwise,
            "Maximum": self._elementwise,
            "Relu": self._unary,
            "Relu6": lambda n: self._clip(self.values[n.inputs[0]], 0.0, 6.0),
            "Sigmoid": self._unary,
            "Softmax": self._softmax,
            "Prelu": lambda n: self._prelu(self.values[n.inputs[0]], n.inputs[1]),
            "MaxPool": self._pool,
            "AvgPool": self._pool,
            "ResizeBilinear": self._resize,
            "Conv2DBackpropInput": self._transposed_convolution,
            "Pad": self._pad,
            "Mean": self._mean,
            "Reshape": self._reshape,
        }
        handler = handlers.get(node.op)
        if handler is None:
            raise ModelFault("graph_op_unknown", f"{self.graph.name}: no translation for {node.op} ({node.name}).")
        return handler(node)

    def as_given(self, value: Value) -> Value:
        """Return an output in the order of the GraphDef: pictures NHWC."""
        if len(value.shape) != 3:
            return value
        return Value(self.graph.op("Transpose", [value.name], perm=[0, 2, 3, 1]), value.shape)

    def _input(self, node: Node) -> Value:
        dims = [int(d["size"]) for d in node.attributes["shape"]["shape"]["dim"]]
        height, width, channels = dims[1:]
        return Value(self.graph.picture(height, width, channels, self.mean, self.scale), (height, width, channels))

    def _convolution(self, node: Node) -> Value:
        source, kernel = self.values[node.inputs[0]], self.weights[node.inputs[1]]
        height, width, channels = source.shape
        depthwise = "Depthwise" in node.op
        if depthwise:
            kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        else:
            kernel = kernel.transpose(3, 2, 0, 1)
        (stride_y, stride_x), (kernel_y, kernel_x) = node.pair("strides"), kernel.shape[2:]
        top, bottom, out_height = window_pads(height, kernel_y, stride_y, node.padding)
        left, right, out_width = window_pads(width, kernel_x, stride_x, node.padding)
        fused = node.fused if "fused_ops" in node.attributes else []
        operands = [source.name, self.graph.constant(kernel)]
        if "BiasAdd" in fused:
            operands.append(self.graph.constant(self.weights[node.inputs[2]]))
        name = self.graph.op(
            "Conv",
            operands,
            kernel_shape=[int(kernel_y), int(kernel_x)],
            strides=[stride_y, stride_x],
            pads=[top, left, bottom, right],
            group=channels if depthwise else 1,
        )
        return self._activate(Value(name, (out_height, out_width, int(kernel.shape[0]))), fused, node)

    def _dense(self, node: Node) -> Value:
        source, weight = self.values[node.inputs[0]], self.weights[node.inputs[1]]
        operands = [source.name, self.graph.constant(weight), self.graph.constant(self.weights[node.inputs[2]])]
        return self._activate(Value(self.graph.op("Gemm", operands), (int(weight.shape[1]),)), node.fused, node)

    def _activate(self, value: Value, fused: Sequence[str], node: Node) -> Value:
        for kind in fused:
            if kind == "Relu":
                value = Value(self.graph.op("Relu", [value.name]), value.shape)
            elif kind == "Relu6":
                value = self._clip(value, 0.0, 6.0)
            elif kind == "Prelu":
                value = self._prelu(value, node.inputs[3])
            elif kind != "BiasAdd":
                raise ModelFault("graph_op_unknown", f"{self.graph.name}: no translation for fused {kind}.")
        return value

    def _clip(self, value: Value, low: float | None, high: float | None) -> Value:
        limits = ["" if limit is None else self.graph.constant(np.float32(limit)) for limit in (low, high)]
        return Value(self.graph.op("Clip", [value.name, *limits]), value.shape)

    def _prelu(self, value: Value, slope: str) -> Value:
        # tfjs-converter has already turned -alpha of Keras' p_re_lu/Neg back into alpha.
        alpha = self.weights[slope].reshape(-1, 1, 1)
        return Value(self.graph.op("PRelu", [value.name, self.graph.constant(alpha)]), value.shape)

    def _elementwise(self, node: Node) -> Value:
        first, second = node.inputs
        if first in self.weights:  # all of these commute
            first, second = second, first
        left = self.values[first]
        if second in self.values:
            right = self.values[second].name
        else:
            constant = self.weights[second]
            if node.op in ("Minimum", "Maximum") and constant.size == 1:
                limit = float(constant.reshape(()))
                return self._clip(left, None, limit) if node.op == "Minimum" else self._clip(left, limit, None)
            if constant.ndim == 1 and len(left.shape) == 3:  # per channel
                constant = constant.reshape(-1, 1, 1)
            right = self.graph.constant(constant)
        kind = {"Mul": "Mul", "Minimum": "Min", "Maximum": "Max"}.get(node.op, "Add")
        # A weight per channel, (1, 1, c), may stand on either side of the picture it weighs.
        shape = max(left.shape, self.values[second].shape if second in self.values else (), key=math.prod)
        return Value(self.graph.op(kind, [left.name, right]), shape)

    def _unary(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        return Value(self.graph.op(node.op, [source.name]), source.shape)

    def _softmax(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        return Value(
            self.graph.op("Softmax", [source.name], axis=1 if len(source.shape) == 3 else -1), source.shape
        )

    def _pool(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        (kernel_y, kernel_x), (stride_y, stride_x) = node.pair("ksize"), node.pair("strides")
        top, bottom, height = window_pads(source.shape[0], kernel_y, stride_y, node.padding)
        left, right, width = window_pads(source.shape[1], kernel_x, stride_x, node.padding)
        name = self.graph.op(
            "MaxPool" if node.op == "MaxPool" else "AveragePool",
            [source.name],
            kernel_shape=[kernel_y, kernel_x],
            strides=[stride_y, stride_x],
            pads=[top, left, bottom, right],
        )
        return Value(name, (height, width, source.shape[2]))

    def _resize(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        if not node.flag("half_pixel_centers") or node.flag("align_corners"):
            raise ModelFault("graph_op_unknown", f"{self.graph.name}: {node.name} resizes by an older rule.")
        height, width = (int(size) for size in self.weights[node.inputs[1]].tolist())
        shape = (height, width, source.shape[2])
        scales = np.array([1, 1, height / source.shape[0], width / source.shape[1]], np.float32)
        operands = [source.name, "", self.graph.constant(scales)]
        return Value(self.graph.op("Resize", operands, mode="linear"), shape)

    def _transposed_convolution(self, node: Node) -> Value:
        source, kernel = self.values[node.inputs[2]], self.weights[node.inputs[1]]
        kernel = kernel.transpose(3, 2, 0, 1)  # (in, out, y, x)
        strides = node.pair("strides")
        if kernel.shape[2:] != strides:  # padding 'same' then leaves nothing to cut off
            raise ModelFault("graph_op_unknown", f"{self.graph.name}: {node.name} overlaps its steps.")
        shape = (source.shape[0] * strides[0], source.shape[1] * strides[1], int(kernel.shape[1]))
        name = self.graph.op(
            "ConvTranspose",
            [source.name, self.graph.constant(kernel)],
            kernel_shape=list(strides),
            strides=list(strides),
        )
        return Value(name, shape)

    def _pad(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        rows = cast("list[list[int]]", self.weights[node.inputs[1]].tolist())  # per NHWC axis: before, after
        planar = [rows[0], rows[3], rows[1], rows[2]]
        pads = self.graph.integers(*(row[0] for row in planar), *(row[1] for row in planar))
        shape = tuple(size + sum(row) for size, row in zip(source.shape, rows[1:], strict=True))
        return Value(self.graph.op("Pad", [source.name, pads]), shape)

    def _mean(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        axes = cast("list[int]", np.sort(self.weights[node.inputs[1]].reshape(-1)).tolist())
        if axes != [1, 2] or len(source.shape) != 3:
            raise ModelFault("graph_op_unknown", f"{self.graph.name}: Mean over axes {axes} ({node.name}).")
        return Value(self.graph.op("ReduceMean", [source.name], axes=[2, 3], keepdims=0), source.shape[2:])

    def _reshape(self, node: Node) -> Value:
        source = self.values[node.inputs[0]]
        target = tuple(int(size) for size in self.weights[node.inputs[1]][1:])
        if -1 in target:
            known = int(np.prod([size for size in target if size != -1], dtype=np.int64))
            rest = int(np.prod(source.shape, dtype=np.int64)) // known
            target = tuple(rest if size == -1 else size for size in target)
        if len(target) == 3:
            raise ModelFault("graph_op_unknown", f"{self.graph.name}: Reshape into a picture ({node.name}).")
        name = source.name
        if len(source.shape) == 3:  # back to NHWC, the order in which TensorFlow flattens
            name = self.graph.op("Transpose", [name], perm=[0, 2, 3, 1])
        return Value(self.graph.op("Reshape", [name, self.graph.integers(-1, *target)]), target)
