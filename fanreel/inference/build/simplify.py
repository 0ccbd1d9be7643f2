"""Folding what a convolution is followed by into the convolution, on GraphDef nodes before translation.

`faceres` comes with its batch norms and ReLU6 spelled out (Conv → Mul → Add → Relu → Minimum → Maximum), and
onnxruntime does not fuse all of that: as separate nodes it cost a fifth of the network's time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .nodes import Node, fused_attribute
from .weights import Tensor

CONVOLUTIONS = {"Conv2D": "_FusedConv2D", "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative"}
RELU6_LIMIT = 6.0


@dataclass(slots=True)
class _Chain:
    """A convolution and what is folded into it so far; `last` names the node whose value it now is."""

    node: Node
    kernel: Tensor
    bias: Tensor
    last: str
    tail: list[str] = field(default_factory=list[str])


def simplify(
    nodes: Sequence[Node], weights: Mapping[str, Tensor], kept: Sequence[str]
) -> tuple[list[Node], dict[str, Tensor]]:
    """Return fewer nodes and the weights with the folded kernels added; values named in `kept` stay computed."""
    uses = Counter(name for node in nodes for name in node.inputs) + Counter(kept)
    tensors, chains, out = dict(weights), dict[str, _Chain](), list[Node | _Chain]()
    for node in nodes:
        chain = chains.get(node.inputs[0]) if node.inputs and uses[node.inputs[0]] == 1 else None
        if chain is not None and _fold(chain, node, weights):
            chain.last = node.name
            chains[node.name] = chain
        elif node.op in CONVOLUTIONS:
            chain = _start(node, weights)
            chains[node.name] = chain
            out.append(chain)
        else:
            out.append(node)
    return [item if isinstance(item, Node) else _finish(item, tensors) for item in out], tensors


def _start(node: Node, weights: Mapping[str, Tensor]) -> _Chain:
    kernel = weights[node.inputs[1]].astype(np.float64)
    channels = kernel.shape[2] if node.op.startswith("Depthwise") else kernel.shape[3]
    return _Chain(node, kernel, np.zeros(channels), node.name)


def _fold(chain: _Chain, node: Node, weights: Mapping[str, Tensor]) -> bool:
    """Take the node into the chain if it can be; says whether it was."""
    if node.op == "Relu" and not chain.tail:
        chain.tail.append("Relu")
        return True
    constant = weights.get(node.inputs[1]) if len(node.inputs) == 2 else None
    if constant is None:
        return False
    if constant.shape == chain.bias.shape and not chain.tail and node.op in ("Mul", "Add", "AddV2"):
        values = constant.astype(np.float64)
        if node.op == "Mul":
            depthwise = chain.node.op.startswith("Depthwise")
            chain.kernel = chain.kernel * (values[:, None] if depthwise else values)
            chain.bias = chain.bias * values
        else:
            chain.bias = chain.bias + values
        return True
    limit = {"Relu Minimum": RELU6_LIMIT, "Relu Minimum Maximum": 0.0}.get(" ".join([*chain.tail, node.op]))
    if limit is None or constant.size != 1 or float(constant.reshape(())) != limit:
        return False
    chain.tail.append(node.op)
    return True


def _finish(chain: _Chain, tensors: dict[str, Tensor]) -> Node:
    kernel, bias = f"{chain.last}/folded_kernel", f"{chain.last}/folded_bias"
    tensors[kernel], tensors[bias] = chain.kernel.astype(np.float32), chain.bias.astype(np.float32)
    activation = {0: [], 1: ["Relu"]}.get(len(chain.tail), ["Relu6"])  # Maximum(·, 0) after a ReLU changes nothing
    return replace(
        chain.node,
        name=chain.last,
        op=CONVOLUTIONS[chain.node.op],
        inputs=(chain.node.inputs[0], kernel, bias),
        attributes={**chain.node.attributes, "fused_ops": fused_attribute("BiasAdd", *activation)},
    )
