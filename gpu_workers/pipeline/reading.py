"""What scoreboards say: the regions that the profile names, read every few seconds where a reader is installed."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from fanreel.contracts import ReadText, Segment
from fanreel.domain.faces import Bgr
from fanreel.domain.profiles import GraphicsRegion
from fanreel.inference.reader import TextReader

from .base import FrameStage, PipelineFrame

READ_EVERY_MS = 2000
"""Scores change seldom; a line costs 50 ms of a core, so this is a fortieth of real time per region."""
WORTH_KEEPING = 0.6
"""Confidence below which a line is noise of the picture."""


class ReadingStage(FrameStage):
    """Reads the first frame of every READ_EVERY_MS of the video's clock, within what the segment owns.

    Without a reader or regions it does nothing.
    """

    name: ClassVar[str] = "read"

    def __init__(self, reader: TextReader | None, regions: Sequence[GraphicsRegion], segment: Segment) -> None:
        self._reader = reader
        self._regions = tuple(region for region in regions if region.reads_text)
        self._segment = segment
        self._slot = -1
        self._texts: list[ReadText] = []

    def process_frame(self, frame: PipelineFrame) -> None:
        """Read the regions of a frame that is due; raises ModelFault."""
        slot = frame.pts_ms // READ_EVERY_MS
        owned = self._segment.owned_from_ms <= frame.pts_ms < self._segment.owned_to_ms
        if self._reader is None or not self._regions or not owned or slot == self._slot:
            return
        self._slot = slot
        picture = frame.bgr()
        for region in self._regions:
            line = self._reader.read(cut(picture, region.box))
            if line.text and line.confidence >= WORTH_KEEPING:
                confidence = round(line.confidence, 3)
                self._texts.append(
                    ReadText(pts_ms=frame.pts_ms, region=region.name, text=line.text, confidence=confidence)
                )

    def texts(self) -> tuple[ReadText, ...]:
        """Return what was read, in order of time."""
        return tuple(self._texts)


def cut(picture: Bgr, box: tuple[float, float, float, float]) -> Bgr:
    """Return the part of a picture; `box` is x0, y0, x1, y1 in shares of it."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(box, (width, height) * 2, strict=True))
    return np.ascontiguousarray(picture[y0:y1, x0:x1])
