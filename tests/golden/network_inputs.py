"""The pictures both sides see in the network goldens: made with whole-number arithmetic, so equal everywhere.

Run as a script, it writes them as raw bytes for record_networks.mjs (see there).
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "node_modules" / "@vladmandic" / "face-api" / "demo"

# network: (side in pixels, whole number of photo pixels averaged into one, colour order)
NETWORKS = {
    "face_recognition": (150, 2, "rgb"),
    "face_expression": (112, 3, "rgb"),
    "age_gender": (112, 3, "rgb"),
    "face_landmark_68": (112, 3, "rgb"),
    "ssd_mobilenetv1": (512, 2, "rgb"),
    "faceres": (224, 2, "bgr"),
    "facemesh": (192, 2, "rgb"),
    "emotion": (64, 5, "grey"),
}
# photo: a face's centre (x, y) in it
FACES = {"sample3.jpg": (693, 468), "sample5.jpg": (1511, 544), "sample6.jpg": (760, 489)}


def synthetic(side: int) -> NDArray[np.uint8]:
    """Waves of different pitch per channel over a pseudo-random grain (a 32-bit linear congruence)."""
    state = np.arange(side * side * 3, dtype=np.uint64)
    for _ in range(3):
        state = (state * np.uint64(1664525) + np.uint64(1013904223)) % np.uint64(2**32)
    grain = (state >> np.uint64(26)).astype(np.int64).reshape(side, side, 3)
    y, x, channel = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    wave = np.abs((x * (channel + 2) + y * (4 - channel)) % 256 - 128)
    return np.clip(wave + grain, 0, 255).astype(np.uint8)


def photograph(name: str, side: int, block: int) -> NDArray[np.uint8]:
    """A square cut about the face, each pixel the rounded mean of block × block photo pixels; RGB."""
    picture = cv2.imread(str(PHOTOS / name))
    assert picture is not None
    rgb = picture[:, :, ::-1].astype(np.int64)
    reach, (x, y) = side * block // 2, FACES[name]
    x0 = min(max(x - reach, 0), rgb.shape[1] - 2 * reach)
    y0 = min(max(y - reach, 0), rgb.shape[0] - 2 * reach)
    cut = rgb[y0 : y0 + 2 * reach, x0 : x0 + 2 * reach]
    total = cut.reshape(side, block, side, block, 3).sum(axis=(1, 3))
    return ((total + block * block // 2) // (block * block)).astype(np.uint8)


def pictures(network: str) -> NDArray[np.uint8]:
    """(4, side, side, 3): one synthetic, three faces; one channel where the network sees grey."""
    side, block, colour = NETWORKS[network]
    rgb = np.stack([synthetic(side), *(photograph(name, side, block) for name in FACES)])
    if colour == "grey":
        return ((rgb @ np.array([77, 150, 29]) + 128) >> 8).astype(np.uint8)[..., None]
    return np.ascontiguousarray(rgb if colour == "rgb" else rgb[..., ::-1])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for network_name in NETWORKS:
        (folder / f"{network_name}.raw").write_bytes(pictures(network_name).tobytes())
    sides = {name: pictures(name).shape for name in NETWORKS}
    (folder / "shapes.json").write_text(json.dumps(sides))
