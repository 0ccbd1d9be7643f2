"""Cheap measures of the whole picture, for the quality of shots."""

import cv2
import numpy as np

from fanreel.contracts import ShotMeasure
from fanreel.domain.faces import F32

from .base import FrameStage, PipelineFrame
from .shots import ShotSettings

WIDTH_PX = ShotSettings().width_px
"""The width at which shots are sought: the frame is shrunk once for both."""


class PictureStage(FrameStage):
    """Sharpness, brightness and motion of every look, on a small grey picture.

    sharpness  Laplacian variance     luma  mean, 0..255
    motion     mean absolute grey difference to the look before; 0 for the segment's first
    """

    name = "picture"

    def __init__(self) -> None:
        self._pts_ms: list[int] = []
        self._sharpness: list[float] = []
        self._luma: list[float] = []
        self._motion: list[float] = []
        self._before: F32 | None = None

    def process_frame(self, frame: PipelineFrame) -> None:
        """Measure one look."""
        grey = np.asarray(cv2.cvtColor(frame.small(WIDTH_PX), cv2.COLOR_BGR2GRAY), np.float32)
        motion = 0.0 if self._before is None else float(np.abs(grey - self._before).mean())
        self._before = grey
        self._pts_ms.append(frame.pts_ms)
        self._sharpness.append(round(float(cv2.Laplacian(grey, cv2.CV_32F).var()), 2))
        self._luma.append(round(float(grey.mean()), 1))
        self._motion.append(round(motion, 2))

    def measures(self) -> ShotMeasure:
        """Return the columns of all looks."""
        return ShotMeasure(
            pts_ms=tuple(self._pts_ms),
            sharpness=tuple(self._sharpness),
            luma=tuple(self._luma),
            motion=tuple(self._motion),
        )
