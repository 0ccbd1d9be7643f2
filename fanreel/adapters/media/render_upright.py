"""A clip's picture for an upright film: cropped around the fan, or fitted over a blurred ground."""

import math
from fractions import Fraction
from itertools import pairwise

import ffmpeg
import numpy as np

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import UprightCrop

from .render_expression import summed
from .render_source import Stream

GROUND_SHARE = 20
"""The ground is drawn this much smaller and enlarged again: a blur for the price of two small scalings."""
GROUND_LIGHT = 0.55
"""It stays darker than what lies on it."""


def upright_picture(
    picture: Stream, work: tuple[int, int], media: MediaInfo, crop: UprightCrop, size: tuple[int, int]
) -> Stream:
    """Return a clip as size (width, height) shows it, the crop moving by whole pixels of the output.

    `picture` has the size `work` and frames on the output's grid, exactly those of the clip. Where the crop is not
    as upright as the film it is fitted: nothing is ever stretched.
    """
    scale = min(size[0] / crop.width, size[1] / media.height)
    shown = min(size[0], even(crop.width * scale)), min(size[1], even(media.height * scale))
    # First all that is ever shown of the clip, then that to its final size, then the moving window in it.
    share = work[0] / media.width
    hull_left = math.floor(float(crop.lefts.min()) * share / 2) * 2
    hull_right = min(work[0], math.ceil(float(crop.lefts.max() + crop.width) * share / 2) * 2)
    hull = hull_right - hull_left
    stretched = max(shown[0], even(hull * scale / share))
    lefts = np.rint((crop.lefts * share - hull_left) * stretched / hull).astype(int)
    window = steps_expression(lefts.clip(0, stretched - shown[0]).tolist())
    picture = (
        picture.filter("crop", hull, work[1], hull_left, 0)
        .filter("scale", stretched, shown[1], flags="bicubic", out_color_matrix="bt709", out_range="tv")
        .filter("format", "yuv420p")
        .filter("crop", *shown, window, 0, exact=1)
    )
    return picture if shown == size else _on_blurred_ground(picture, size)


def steps_expression(values: list[int]) -> str:
    """Write a value per frame as an expression of `n`: the first one, and each change at its frame.

    Two thousand changes fit (`summed`): more than a minute in which the window moves with every frame.
    """
    changes = [
        f"{after - before:+d}*gte(n,{frame})"
        for frame, (before, after) in enumerate(pairwise(values), start=1)
        if after != before
    ]
    return f"{values[0]}{summed(changes)}"


def _on_blurred_ground(picture: Stream, size: tuple[int, int]) -> Stream:
    width, height = size
    both = picture.filter_multi_output("split")
    colour = f"128+(val-128)*{GROUND_LIGHT}"
    ground = (
        both[0]
        .filter("scale", max(2, width // GROUND_SHARE), max(2, height // GROUND_SHARE), flags="area")
        .filter("scale", width, height, flags="bicubic")
        .filter("lutyuv", y=f"16+(val-16)*{GROUND_LIGHT}", u=colour, v=colour)
    )
    return ffmpeg.overlay(ground, both[1], x="(W-w)/2", y="(H-h)/2", format="yuv420")


def even(size: float | Fraction) -> int:
    """Return the nearest even number of pixels, at least two: 4:2:0 stores colour for pairs."""
    return max(2, round(size / 2) * 2)
