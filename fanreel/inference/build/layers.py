"""Convolution blocks in the terms of face-api's networks, over NCHW values of known spatial size."""

from dataclasses import dataclass

import numpy as np

from .graph import GraphWriter, Padding, Tensor, window_pads
from .weights import Weights


@dataclass(frozen=True, slots=True)
class Plane:
    """A square NCHW value: its name in the graph and its side in pixels."""

    name: str
    side: int


@dataclass(frozen=True, slots=True)
class Affine:
    """A per-channel scale and shift (batch norm, dlib's scale layer) to fold into a convolution, float64."""

    scale: Tensor
    shift: Tensor


@dataclass(frozen=True, slots=True)
class Layers:
    """Writes the blocks of one network, reading their weights by name."""

    graph: GraphWriter
    weights: Weights

    def convolve(
        self,
        x: Plane,
        kernel: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: Padding,
        after: Affine | None,
        group: int,
    ) -> Plane:
        """Convolve with an OIHW kernel; `after` is folded in double precision."""
        weight = kernel.astype(np.float64)
        offset = np.zeros(weight.shape[0]) if bias is None else bias.astype(np.float64)
        if after is not None:
            weight, offset = weight * after.scale.reshape(-1, 1, 1, 1), offset * after.scale + after.shift
        size = int(weight.shape[2])
        before, behind, side = window_pads(x.side, size, stride, padding)
        operands = [
            x.name,
            self.graph.constant(weight.astype(np.float32)),
            self.graph.constant(offset.astype(np.float32)),
        ]
        name = self.graph.op(
            "Conv",
            operands,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, behind, behind],
            group=group,
        )
        return Plane(name, side)

    def conv(
        self,
        x: Plane,
        kernel: str,
        bias: str | None,
        stride: int = 1,
        padding: Padding = "same",
        after: Affine | None = None,
    ) -> Plane:
        """Dense convolution with a TF [kh, kw, in, out] kernel."""
        offset = None if bias is None else self.weights[bias]
        return self.convolve(x, self.weights[kernel].transpose(3, 2, 0, 1), offset, stride, padding, after, 1)

    def depthwise(self, x: Plane, kernel: str, stride: int = 1, after: Affine | None = None) -> Plane:
        """Depthwise 'same' convolution with a TF [kh, kw, channels, 1] kernel."""
        weight = self.weights[kernel].transpose(2, 3, 0, 1)
        return self.convolve(x, weight, None, stride, "same", after, int(weight.shape[0]))

    def separable(self, x: Plane, prefix: str, stride: int = 1) -> Plane:
        """Depthwise then 1×1 with bias, nothing in between."""
        spread = self.depthwise(x, f"{prefix}/depthwise_filter", stride)
        return self.conv(spread, f"{prefix}/pointwise_filter", f"{prefix}/bias")

    def pool(self, x: Plane, kind: str, size: int, stride: int, padding: Padding) -> Plane:
        """Pool with `AveragePool` or `MaxPool`."""
        before, behind, side = window_pads(x.side, size, stride, padding)
        name = self.graph.op(
            kind,
            [x.name],
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, behind, behind],
        )
        return Plane(name, side)

    def relu(self, x: Plane) -> Plane:
        """Rectify."""
        return Plane(self.graph.op("Relu", [x.name]), x.side)

    def relu6(self, x: Plane) -> Plane:
        """Clip to 0..6."""
        limits = [self.graph.constant(np.float32(0)), self.graph.constant(np.float32(6))]
        return Plane(self.graph.op("Clip", [x.name, *limits]), x.side)

    def add(self, *planes: Plane) -> Plane:
        """Sum planes of one size, left to right."""
        total = planes[0]
        for plane in planes[1:]:
            total = Plane(self.graph.op("Add", [total.name, plane.name]), total.side)
        return total

    def dense(self, x: str, weight: str, bias: str | None) -> str:
        """Flatten and multiply; returns the name of an [N, out] value."""
        operands = [self.graph.op("Flatten", [x], axis=1), self.graph.constant(self.weights[weight])]
        if bias is not None:
            operands.append(self.graph.constant(self.weights[bias]))
        return self.graph.op("Gemm", operands)
