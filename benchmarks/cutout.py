"""How well one person is cut out: IoU with mattes drawn by hand, on pictures composed here.

    python -m benchmarks.cutout

Two people of photographs that ship with an npm package are set, alone and side by side, on pieces of other
photographs, on noise and on plain colours. Nothing was fitted on them.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import F32, Bgr
from fanreel.inference.segmentation import PersonMasks, reach
from fanreel.settings import get_settings

Box = tuple[int, int, int, int]
MATTES = Path(__file__).with_name("person_mattes.json")
PHOTOS = Path("@vladmandic/face-api") / "demo"
SIZE = (640, 640)
HEIGHTS = (620, 420)
"""Heights of the person in the picture, pixels."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A person with their matte: picture and alpha (h, w), and the face inside it."""

    name: str
    picture: Bgr
    alpha: F32
    face: Box


@dataclass(frozen=True, slots=True)
class Scene:
    """A composed picture: whom it is about, who else is in it, and the true alpha."""

    name: str
    picture: Bgr
    face: Box
    others: tuple[Box, ...]
    alpha: F32


def people(node_modules: Path) -> list[Cut]:
    """Return the people whose outlines were drawn."""
    known: list[dict[str, Any]] = json.loads(MATTES.read_text("utf-8"))["people"]
    return [_cut(one, node_modules / PHOTOS / str(one["photo"])) for one in known]


def _cut(one: dict[str, Any], photo: Path) -> Cut:
    outline = np.array(one["outline"], np.int32)
    (x0, y0), (x1, y1) = outline.min(0), outline.max(0)
    picture = np.asarray(cv2.imread(str(photo)), np.uint8)[y0:y1, x0:x1]
    alpha = np.zeros(picture.shape[:2], np.float32)
    cv2.fillPoly(alpha, [outline - (x0, y0)], 1.0)
    a, b, c, d = one["face"]
    return Cut(str(one["name"]), picture, alpha, (int(a - x0), int(b - y0), int(c - x0), int(d - y0)))


def backgrounds(node_modules: Path) -> dict[str, Bgr]:
    """Return what people are set on."""
    rng = np.random.default_rng(4)
    noise = cv2.resize(rng.integers(0, 255, (40, 40, 3), np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    ramp = np.linspace(30, 220, SIZE[0])[None, :, None].repeat(SIZE[1], 0).repeat(3, 2)
    found = {"noise": noise, "ramp": ramp, "pitch": np.full((*SIZE, 3), (60, 140, 70))}
    # Walls and windows of the photographs, without the people in front of them.
    for name, file, (x0, y0, x1, y1) in (
        ("bar", "sample3.jpg", (0, 0, 560, 330)),
        ("blinds", "sample6.jpg", (400, 0, 1200, 190)),
        ("stairs", "sample5.jpg", (0, 0, 620, 500)),
    ):
        piece = np.asarray(cv2.imread(str(node_modules / PHOTOS / file)), np.uint8)[y0:y1, x0:x1]
        found[name] = cv2.resize(piece, SIZE, interpolation=cv2.INTER_CUBIC)
    return {name: np.asarray(picture, np.uint8) for name, picture in found.items()}


def compose(cut: Cut, background: Bgr, height: int, middle: float) -> tuple[Bgr, F32, Box]:
    """Set a person of this height on a background, at this share of its width and on its lower edge."""
    scale = height / cut.picture.shape[0]
    size = (round(cut.picture.shape[1] * scale), height)
    picture = cv2.resize(cut.picture, size, interpolation=cv2.INTER_AREA)
    matte = cv2.GaussianBlur(cv2.resize(cut.alpha, size, interpolation=cv2.INTER_AREA), (0, 0), 1)
    alpha = np.zeros(background.shape[:2], np.float32)
    layer = np.zeros_like(background)
    left, top = round(middle * background.shape[1] - size[0] / 2), background.shape[0] - height
    a, b = max(0, left), min(background.shape[1], left + size[0])
    alpha[top:, a:b], layer[top:, a:b] = matte[:, a - left : b - left], picture[:, a - left : b - left]
    whole = background * (1 - alpha[..., None]) + layer * alpha[..., None]
    x0, y0, x1, y1 = (round(value * scale) for value in cut.face)
    return whole.astype(np.uint8), alpha, (x0 + left, y0 + top, x1 + left, y1 + top)


def scenes(node_modules: Path) -> list[Scene]:
    """Return every person alone at two sizes, and beside the other, on every background."""
    known, made = people(node_modules), list[Scene]()
    for place, background in backgrounds(node_modules).items():
        for index, one in enumerate(known):
            for height in HEIGHTS:
                picture, alpha, face = compose(one, background, height, 0.5)
                made.append(Scene(f"{one.name} {height} px, {place}", picture, face, (), alpha))
            other = known[1 - index]
            behind, _, rival = compose(other, background, HEIGHTS[1], 0.25 + 0.5 * index)
            picture, alpha, face = compose(one, behind, HEIGHTS[1], 0.6 - 0.2 * index)
            made.append(Scene(f"{one.name} beside {other.name}, {place}", picture, face, (rival,), alpha))
    return made


def overlap(found: F32, truth: F32) -> float:
    """Return the intersection over union of two alphas, both cut at one half."""
    one, two = found >= 0.5, truth >= 0.5
    return float((one & two).sum() / max(1, (one | two).sum()))


def _network_alone(masks: PersonMasks, scene: Scene) -> F32:
    x0, y0, x1, y1 = reach(scene.face, scene.picture.shape[1], scene.picture.shape[0])
    alpha = np.zeros(scene.picture.shape[:2], np.float32)
    alpha[y0:y1, x0:x1] = masks.people(np.ascontiguousarray(scene.picture[y0:y1, x0:x1]))
    return alpha


def _grab_cut_alone(scene: Scene) -> F32:
    """GrabCut from the face and a trapezoid below it, as without any network."""
    height, width = scene.picture.shape[:2]
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    x0, y0, x1, y1 = reach(scene.face, width, height)
    marks[y0:y1, x0:x1] = cv2.GC_PR_BGD
    a, b, c, d = scene.face
    wide = (c - a) * 0.9
    trapezoid = np.array([[a, b], [c, b], [c + wide, height], [a - wide, height]], np.int32)
    cv2.fillPoly(marks, [trapezoid], cv2.GC_PR_FGD)
    for box in scene.others:
        marks[box[1] : box[3], max(0, box[0]) : box[2]] = cv2.GC_BGD
    marks[b:d, a:c] = cv2.GC_FGD
    state: NDArray[Any] = np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(scene.picture, marks, (0, 0, width, height), state, state.copy(), 5, cv2.GC_INIT_WITH_MASK)
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--contact", type=Path, help="where to write a sheet of the cuts, as PNG")
    arguments = parser.parse_args()
    settings = get_settings()
    masks, made = PersonMasks.load(settings), scenes(settings.node_modules)
    ways: dict[str, Callable[[Scene], F32]] = {
        "GrabCut from the face alone": _grab_cut_alone,
        "network alone": lambda scene: _network_alone(masks, scene),
        "network, GrabCut, guided filter": lambda s: masks.person(s.picture, s.face, s.others),
    }
    print(f"| how | IoU alone: mean, least | IoU beside another: mean, least | CPU ms a picture |\n|{'---|' * 4}")
    for name, way in ways.items():
        started = time.process_time()
        found = [(scene, way(scene)) for scene in made]
        spent = (time.process_time() - started) / len(made)
        cells = [
            f"{np.mean(values):.3f}, {min(values):.3f}"
            for beside in (False, True)
            for values in [[overlap(a, s.alpha) for s, a in found if bool(s.others) == beside]]
        ]
        print(f"| {name} | {cells[0]} | {cells[1]} | {spent * 1000:.0f} |")
        if arguments.contact:
            _sheet(found, arguments.contact.with_stem(f"{arguments.contact.stem}-{name.split()[0]}"))


def _sheet(found: list[tuple[Scene, F32]], path: Path) -> None:
    tiles = [
        cv2.resize(
            (s.picture * a[..., None] + np.array([0, 255, 0]) * (1 - a[..., None])).astype(np.uint8), (200, 200)
        )
        for s, a in found
    ]
    rows = [np.hstack(tiles[i : i + 6]) for i in range(0, len(tiles), 6)]
    cv2.imwrite(str(path), np.vstack(rows))


if __name__ == "__main__":
    main()
