"""GraphDef nodes of a TFJS graph model, with their attributes unwrapped."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .graph import Padding


@dataclass(frozen=True, slots=True)
class Node:
    """One GraphDef node with its attributes unwrapped."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def pair(self, key: str) -> tuple[int, int]:
        """Return the spatial part of a four-integer attribute such as strides."""
        numbers = self.attributes[key]["list"]["i"]
        return int(numbers[1]), int(numbers[2])

    def flag(self, key: str) -> bool:
        """Return a yes-or-no attribute; absent means no."""
        return bool(self.attributes.get(key, {}).get("b", False))

    @property
    def padding(self) -> Padding:
        """`same` or `valid`."""
        return "same" if _text(self.attributes["padding"]["s"]) == "SAME" else "valid"

    @property
    def fused(self) -> list[str]:
        """What a fused node does after its main operation, e.g. ['BiasAdd', 'Relu6']."""
        return [_text(item) for item in self.attributes["fused_ops"]["list"]["s"]]


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("ascii")


def fused_attribute(*kinds: str) -> dict[str, Any]:
    """Return a `fused_ops` attribute."""
    return {"list": {"s": [base64.b64encode(kind.encode("ascii")).decode("ascii") for kind in kinds]}}
