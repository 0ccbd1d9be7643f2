"""face-api's SSD MobileNet v1 face detector (`src/ssdMobilenetv1`), with the box decoding in the graph."""

import numpy as np

from .graph import GraphWriter
from .layers import Affine, Layers, Plane
from .weights import Weights

SIDE_PX = 512
ANCHORS = 5118
BATCH_NORM_EPSILON = 0.0010000000474974513
STRIDED_DEPTHWISE = (2, 4, 6, 12)
BOX_VARIANCE, SIZE_VARIANCE = 10, 5


def ssd_mobilenetv1(weights: Weights) -> bytes:
    """`boxes` [N, 5118, 4]: y0, x0, y1, x1 in 0..1 of the picture; `scores` [N, 5118] in 0..1, before NMS."""
    graph = GraphWriter("ssd_mobilenetv1")
    x = Plane(graph.picture(SIDE_PX, SIDE_PX, 3, (127.5,) * 3, 127.5), SIDE_PX)
    net = Layers(graph, weights)

    def pointwise(x: Plane, prefix: str, stride: int = 1) -> Plane:
        return net.relu6(net.conv(x, f"{prefix}/weights", f"{prefix}/convolution_bn_offset", stride))

    features: list[Plane] = []
    x = pointwise(x, "MobilenetV1/Conv2d_0_pointwise", 2)
    for index in range(1, 14):
        prefix = f"MobilenetV1/Conv2d_{index}_depthwise"
        stride = 2 if index in STRIDED_DEPTHWISE else 1
        x = net.depthwise(x, f"{prefix}/depthwise_weights", stride, _batch_norm(weights, f"{prefix}/BatchNorm"))
        x = pointwise(net.relu6(x), f"MobilenetV1/Conv2d_{index}_pointwise")
        if index in (11, 13):
            features.append(x)
    for index in range(8):
        x = pointwise(x, f"Prediction/Conv2d_{index}_pointwise", 2 if index % 2 else 1)
        if index % 2:
            features.append(x)
    boxes = _decode(graph, _heads(net, features, "BoxEncodingPredictor", 4), weights["Output/extra_dim"][0])
    classes = _heads(net, features, "ClassPredictor", 3)  # background, face, unused
    face = graph.op("Slice", [classes, graph.integers(1), graph.integers(2), graph.integers(2)])
    scores = graph.op("Sigmoid", [graph.op("Squeeze", [face, graph.integers(2)])])
    return graph.finish({"boxes": (boxes, (ANCHORS, 4)), "scores": (scores, (ANCHORS,))})


def _batch_norm(weights: Weights, prefix: str) -> Affine:
    part = {key: weights[f"{prefix}/{key}"].astype(np.float64) for key in ("gamma", "beta", "moving_mean")}
    variance = weights[f"{prefix}/moving_variance"].astype(np.float64)
    scale = part["gamma"] / np.sqrt(variance + BATCH_NORM_EPSILON)
    return Affine(scale, part["beta"] - part["moving_mean"] * scale)


def _heads(net: Layers, features: list[Plane], head: str, width: int) -> str:
    parts: list[str] = []
    for index, feature in enumerate(features):
        prefix = f"Prediction/BoxPredictor_{index}/{head}"
        plane = net.conv(feature, f"{prefix}/weights", f"{prefix}/biases")
        channels_last = net.graph.op("Transpose", [plane.name], perm=[0, 2, 3, 1])
        parts.append(net.graph.op("Reshape", [channels_last, net.graph.integers(0, -1, width)]))
    return net.graph.op("Concat", parts, axis=1)


def _decode(graph: GraphWriter, encoded: str, anchors: np.ndarray) -> str:
    """Turn (ty, tx, th, tw) into corners around anchors stored as y0, x0, y1, x1."""
    corners = anchors.astype(np.float64)
    size, centre = corners[:, 2:] - corners[:, :2], (corners[:, :2] + corners[:, 2:]) / 2

    def constant(values: np.ndarray) -> str:
        return graph.constant(values[None].astype(np.float32))

    shift = graph.op("Slice", [encoded, graph.integers(0), graph.integers(2), graph.integers(2)])
    growth = graph.op("Slice", [encoded, graph.integers(2), graph.integers(4), graph.integers(2)])
    middle = graph.op("Add", [graph.op("Mul", [shift, constant(size / BOX_VARIANCE)]), constant(centre)])
    grown = graph.op("Exp", [graph.op("Div", [growth, graph.constant(np.float32(SIZE_VARIANCE))])])
    half = graph.op("Mul", [grown, constant(size / 2)])
    return graph.op("Concat", [graph.op("Sub", [middle, half]), graph.op("Add", [middle, half])], axis=2)
