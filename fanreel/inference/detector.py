"""What every face detector promises."""

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


def readable(frame: Bgr) -> bool:
    """Return whether the frame has any pixels."""
    return frame.ndim == 3 and frame.shape[0] > 0 and frame.shape[1] > 0
