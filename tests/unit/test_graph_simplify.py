"""What follows a convolution is folded into it, and only what may be."""

from typing import Any

import numpy as np
import pytest

from fanreel.inference.build.nodes import Node
from fanreel.inference.build.simplify import simplify

pytestmark = pytest.mark.unit

WEIGHTS: dict[str, Any] = {
    "kernel": np.arange(8, dtype=np.float32).reshape(1, 1, 4, 2),
    "scale": np.array([2, 3], np.float32),
    "shift": np.array([10, 20], np.float32),
    "six": np.array(6, np.float32),
    "zero": np.array(0, np.float32),
    "one": np.array(1, np.float32),
}


def node(name: str, op: str, *inputs: str) -> Node:
    return Node(name, op, inputs, {})


CHAIN = [
    node("conv", "Conv2D", "x", "kernel"),
    node("mul", "Mul", "conv", "scale"),
    node("add", "Add", "mul", "shift"),
    node("relu", "Relu", "add"),
    node("low", "Minimum", "relu", "six"),
    node("high", "Maximum", "low", "zero"),
]


def test_batch_norm_and_relu6_become_one_convolution() -> None:
    nodes, weights = simplify(CHAIN, WEIGHTS, ["high"])
    (only,) = nodes
    assert (only.name, only.op, only.fused) == ("high", "_FusedConv2D", ["BiasAdd", "Relu6"])
    np.testing.assert_array_equal(weights[only.inputs[1]], WEIGHTS["kernel"] * WEIGHTS["scale"])
    np.testing.assert_array_equal(weights[only.inputs[2]], WEIGHTS["shift"])


def test_value_that_is_used_twice_or_kept_stays() -> None:
    both, _ = simplify([*CHAIN[:2], node("sum", "AddV2", "conv", "mul")], WEIGHTS, ["sum"])
    assert [n.name for n in both] == ["conv", "mul", "sum"]
    kept, _ = simplify(CHAIN[:3], WEIGHTS, ["add", "conv"])
    assert [n.name for n in kept] == ["conv", "mul", "add"]


def test_other_limits_are_not_relu6() -> None:
    nodes, _ = simplify([*CHAIN[:4], node("low", "Minimum", "relu", "one")], WEIGHTS, ["low"])
    assert [n.name for n in nodes] == ["relu", "low"]
    assert nodes[0].fused == ["BiasAdd", "Relu"]


def test_scale_after_the_activation_is_not_folded() -> None:
    nodes, _ = simplify(
        [CHAIN[0], node("relu", "Relu", "conv"), node("mul", "Mul", "relu", "scale")], WEIGHTS, ["mul"]
    )
    assert [n.name for n in nodes] == ["relu", "mul"]


def test_depthwise_kernels_are_scaled_by_channel() -> None:
    kernel: dict[str, Any] = {"deep": np.ones((3, 3, 2, 1), np.float32)}
    chain = [node("conv", "DepthwiseConv2dNative", "x", "deep"), node("mul", "Mul", "conv", "scale")]
    (only,), weights = simplify(chain, WEIGHTS | kernel, ["mul"])
    np.testing.assert_array_equal(weights[only.inputs[1]][1, 1, :, 0], WEIGHTS["scale"])
