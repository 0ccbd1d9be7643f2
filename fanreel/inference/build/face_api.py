"""The networks of npm `@vladmandic/face-api` whose topology lives in its JavaScript: written out here.

Every network takes `image` uint8 [N, side, side, 3] RGB and normalises inside the graph:
(x - [122.782, 117.001, 104.298]) / 255. Source of each topology: face-api `src/<network>/`.
"""

import numpy as np

from .graph import GraphWriter
from .layers import Affine, Layers, Plane
from .weights import Weights

MEAN_RGB = (122.782, 117.001, 104.298)
RECOGNITION_SIDE_PX = 150
SMALL_SIDE_PX = 112


def _start(name: str, side_px: int, weights: Weights) -> tuple[Layers, Plane]:
    graph = GraphWriter(name)
    picture = graph.picture(side_px, side_px, 3, MEAN_RGB, 255)
    return Layers(graph, weights), Plane(picture, side_px)


def _dense_backbone(net: Layers, x: Plane) -> Plane:
    """Four densely connected blocks, shared by landmarks and expression (`faceFeatureExtractor`)."""
    for index in range(4):
        prefix = f"dense{index}"
        if index == 0:
            first = net.relu(net.conv(x, f"{prefix}/conv0/filters", f"{prefix}/conv0/bias", 2))
        else:
            first = net.relu(net.separable(x, f"{prefix}/conv0", 2))
        second = net.separable(first, f"{prefix}/conv1")
        third = net.separable(net.relu(net.add(first, second)), f"{prefix}/conv2")
        fourth = net.separable(net.relu(net.add(first, second, third)), f"{prefix}/conv3")
        x = net.relu(net.add(first, second, third, fourth))
    return net.pool(x, "AveragePool", 7, 2, "valid")


def landmarks(weights: Weights) -> bytes:
    """`points` [N, 68, 2]: x, y in 0..1 of the picture (dlib's 68-point order)."""
    net, x = _start("face_landmark_68", SMALL_SIDE_PX, weights)
    flat = net.dense(_dense_backbone(net, x).name, "fc/weights", "fc/bias")
    points = net.graph.op("Reshape", [flat, net.graph.integers(-1, 68, 2)])
    return net.graph.finish({"points": (points, (68, 2))})


def expression(weights: Weights) -> bytes:
    """`probabilities` [N, 7]: neutral, happy, sad, angry, fearful, disgusted, surprised."""
    net, x = _start("face_expression", SMALL_SIDE_PX, weights)
    logits = net.dense(_dense_backbone(net, x).name, "fc/weights", "fc/bias")
    return net.graph.finish({"probabilities": (net.graph.op("Softmax", [logits], axis=1), (7,))})


def age_gender(weights: Weights) -> bytes:
    """`age` [N, 1] in years; `gender` [N, 2]: probabilities of male, female (a small Xception)."""
    net, x = _start("age_gender", SMALL_SIDE_PX, weights)

    def reduce(x: Plane, prefix: str, rectify: bool = True) -> Plane:
        y = net.separable(net.relu(x) if rectify else x, f"{prefix}/separable_conv0")
        y = net.separable(net.relu(y), f"{prefix}/separable_conv1")
        y = net.pool(y, "MaxPool", 3, 2, "same")
        return net.add(y, net.conv(x, f"{prefix}/expansion_conv/filters", f"{prefix}/expansion_conv/bias", 2))

    x = net.relu(net.conv(x, "entry_flow/conv_in/filters", "entry_flow/conv_in/bias", 2))
    x = reduce(x, "entry_flow/reduction_block_0", rectify=False)
    x = reduce(x, "entry_flow/reduction_block_1")
    for block in range(2):
        y = x
        for index in range(3):
            y = net.separable(net.relu(y), f"middle_flow/main_block_{block}/separable_conv{index}")
        x = net.add(y, x)
    x = reduce(x, "exit_flow/reduction_block")
    x = net.relu(net.separable(x, "exit_flow/separable_conv"))
    x = net.pool(x, "AveragePool", 7, 2, "valid")
    age = net.dense(x.name, "fc/age/weights", "fc/age/bias")
    gender = net.graph.op("Softmax", [net.dense(x.name, "fc/gender/weights", "fc/gender/bias")], axis=1)
    return net.graph.finish({"age": (age, (1,)), "gender": (gender, (2,))})


def recognition(weights: Weights) -> bytes:
    """`descriptor` [N, 128]: dlib's ResNet embedding, **not** unit length (about 1.5)."""
    net, x = _start("face_recognition", RECOGNITION_SIDE_PX, weights)

    def conv(x: Plane, prefix: str, stride: int = 1, valid: bool = False) -> Plane:
        scale = weights[f"{prefix}/scale/weights"].astype(np.float64)
        after = Affine(scale, weights[f"{prefix}/scale/biases"].astype(np.float64))
        padding = "valid" if valid else "same"
        return net.conv(x, f"{prefix}/conv/filters", f"{prefix}/conv/bias", stride, padding, after)

    def residual(x: Plane, prefix: str) -> Plane:
        return net.relu(net.add(conv(net.relu(conv(x, f"{prefix}/conv1")), f"{prefix}/conv2"), x))

    def down(x: Plane, prefix: str) -> Plane:
        main = conv(net.relu(conv(x, f"{prefix}/conv1", 2, valid=True)), f"{prefix}/conv2")
        shortcut = net.pool(x, "AveragePool", 2, 2, "valid")
        missing = shortcut.side - main.side
        if missing:  # the 'valid' branch may end one pixel short: zeros below and to the right
            pads = net.graph.integers(0, 0, 0, 0, 0, 0, missing, missing)
            main = Plane(net.graph.op("Pad", [main.name, pads]), shortcut.side)
        channels = weights[f"{prefix}/conv1/conv/filters"].shape
        extra = int(channels[3]) - int(channels[2])
        if extra:  # the shortcut has fewer channels: zero channels after
            pads = net.graph.integers(0, 0, 0, 0, 0, extra, 0, 0)
            shortcut = Plane(net.graph.op("Pad", [shortcut.name, pads]), shortcut.side)
        return net.relu(net.add(shortcut, main))

    x = net.relu(conv(x, "conv32_down", 2, valid=True))
    x = net.pool(x, "MaxPool", 3, 2, "valid")
    for prefix in ("conv32_1", "conv32_2", "conv32_3"):
        x = residual(x, prefix)
    for stage, blocks in (("conv64", 3), ("conv128", 2), ("conv256", 2)):
        x = down(x, f"{stage}_down")
        for index in range(blocks):
            x = residual(x, f"{stage}_{index + 1}")
    x = down(x, "conv256_down_out")
    pooled = net.graph.op("GlobalAveragePool", [x.name])
    return net.graph.finish({"descriptor": (net.dense(pooled, "fc", None), (128,))})
