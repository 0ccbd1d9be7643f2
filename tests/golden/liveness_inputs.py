"""The photographs both sides see in the liveness goldens, with a face's box in each: the demo's cast.

Run as a module, it writes them as raw RGB bytes for record_liveness.mjs (see there).
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.demo.cast import PEOPLE

from .network_inputs import PHOTOS

REACH = 1.2
"""What is kept of a photograph on every side of the box, in box heights."""


def pictures() -> dict[str, tuple[NDArray[np.uint8], tuple[int, int, int, int]]]:
    """Name → (cut of the photograph in RGB, box in it: x0, y0, x1, y1)."""
    found: dict[str, tuple[NDArray[np.uint8], tuple[int, int, int, int]]] = {}
    for person in PEOPLE:
        photo = np.asarray(cv2.imread(str(PHOTOS / person.photo)), np.uint8)[..., ::-1]
        x, y, width, height = person.box
        reach = round(REACH * height)
        x0, y0 = max(x - reach, 0), max(y - reach, 0)
        cut = np.ascontiguousarray(photo[y0 : y + height + reach, x0 : x + width + reach])
        found[person.name] = cut, (x - x0, y - y0, x - x0 + width, y - y0 + height)
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for name, (rgb, box) in pictures().items():
        (folder / f"{name}.raw").write_bytes(rgb.tobytes())
        listed.append({"file": f"{name}.raw", "shape": rgb.shape, "box": box})
    (folder / "inputs.json").write_text(json.dumps(listed))
