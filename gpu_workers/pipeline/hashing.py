"""A perceptual hash: pictures that look alike differ in few bits, at any size or coding, under small graphics."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32
SMOOTHING = (7, 7)
KEPT = slice(1, 9)
"""The lowest frequencies but the constant ones: 8 × 8 of the 32 × 32 coefficients."""

BLACK = 28
"""A row or column whose brightest pixel is darker than this may belong to a bar …"""
BAR_STEP = 8
"""… bars are cut off in steps of so many pixels (of 256), so that a wavering edge changes nothing …"""
LEAST_LIVE = 0.25
"""… and leave at least this share of each side: a night shot is no bar."""


def picture_hash(grey: NDArray[np.uint8]) -> str:
    """Return the 64-bit hash of a grey picture as 16 hexadecimal digits.

    pHash as in Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), section 3.2.1:
    mean filter, 32 × 32 pixels, discrete cosine transform, the sign of 64 low coefficients against their median.
    """
    smooth = cv2.blur(grey, SMOOTHING)
    small = np.asarray(cv2.resize(smooth, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
    low = np.asarray(cv2.dct(small), np.float32)[KEPT, KEPT].ravel()
    return np.packbits(low > np.median(low)).tobytes().hex()


def live_part(grey: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns of a picture inside its black bars, told from this picture alone.

    Bars are taken to be as wide on one side as on the other, so that a dark stand along one edge is none.
    """
    return _inside(grey.max(axis=1)), _inside(grey.max(axis=0))


def _inside(brightest: NDArray[np.uint8]) -> slice:
    lit = np.flatnonzero(brightest >= BLACK)
    length = len(brightest)
    if len(lit) == 0:
        return slice(0, length)
    bar = min(int(lit[0]), length - 1 - int(lit[-1])) // BAR_STEP * BAR_STEP
    return slice(bar, length - bar) if length - 2 * bar >= LEAST_LIVE * length else slice(0, length)
