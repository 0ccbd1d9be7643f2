"""The fans' selfies: the people of the broadcast, framed, lit and turned differently, alone in the picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.faces import Bgr

from .cast import Person


@dataclass(frozen=True, slots=True)
class Look:
    """How a selfie differs from the photograph: side of the square in face heights, and light."""

    reach: float
    side_px: int
    turn_deg: float
    mirrored: bool
    gain: float
    warmth: float


LOOKS = (
    Look(reach=2.0, side_px=640, turn_deg=0.0, mirrored=False, gain=1.08, warmth=1.04),
    Look(reach=2.3, side_px=512, turn_deg=5.0, mirrored=True, gain=0.92, warmth=0.97),
    Look(reach=1.8, side_px=560, turn_deg=-4.0, mirrored=False, gain=1.0, warmth=1.08),
)


def cut_selfie(photo: Bgr, person: Person, look: Look) -> Bgr:
    """Return a square selfie; the background, and with it the neighbours, is out of focus."""
    height = person.box[3]
    scale = look.side_px / (look.reach * height)
    matrix = cv2.getRotationMatrix2D(person.center, look.turn_deg, scale)
    matrix[:, 2] += look.side_px / 2 - np.array(person.center)
    size = (look.side_px, look.side_px)
    sharp = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101)
    mask = np.zeros(size[::-1], np.float32)
    middle, face_px = look.side_px // 2, scale * height
    cv2.ellipse(mask, (middle, middle), (round(0.62 * face_px), round(0.85 * face_px)), 0, 0, 360, 1.0, -1)
    mask = _soften(mask, 0.05 * face_px)[..., None]
    blurred = _soften(sharp, 0.16 * face_px)
    picture = (mask * sharp + (1 - mask) * blurred) * look.gain
    picture = picture * np.array([2 - look.warmth, 1.0, look.warmth], np.float32)
    result = np.clip(picture, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(result[:, ::-1]) if look.mirrored else result


def _soften(picture: NDArray[Any], sigma_px: float) -> NDArray[Any]:
    """A wide Gaussian blur, computed on an eighth of the size: what it leaves has no finer detail."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    return cv2.resize(
        cv2.GaussianBlur(small, (0, 0), sigma_px / 8), (width, height), interpolation=cv2.INTER_LINEAR
    )


def write_selfies(photo: Bgr, person: Person, directory: Path) -> None:
    """Write `1.jpg`, `2.jpg`, `3.jpg` into the person's folder."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, look in enumerate(LOOKS, start=1):
        cv2.imwrite(
            str(directory / f"{number}.jpg"), cut_selfie(photo, person, look), [cv2.IMWRITE_JPEG_QUALITY, 93]
        )
