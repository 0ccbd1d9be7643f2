"""What every face detector promises."""

from collections.abc import Sequence
from typing import Protocol

from fanreel.domain.faces import Bgr, Faces


class FaceDetector(Protocol):
    """Finds faces in displayed pictures."""

    @property
    def name(self) -> str:
        """Stable name for results and logs."""
        ...

    def detect(self, frame: Bgr) -> Faces:
        """Return the faces of one frame, strongest first; raises ModelFault when the network fails."""
        ...

    def detect_many(self, frames: Sequence[Bgr]) -> list[Faces]:
        """Return what `detect` would of every frame; the frames may share batches."""
        ...

    def warm_up(self) -> None:
        """Pay for the first use of every shape now; raises ModelFault."""
        ...


def readable(frame: Bgr) -> bool:
    """Return whether the frame has any pixels."""
    return frame.ndim == 3 and frame.shape[0] > 0 and frame.shape[1] > 0
