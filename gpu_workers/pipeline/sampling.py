"""Which frames are looked at: the first one at or after each point of the video's own time grid."""


class Sampler:
    """Picks frames at `sample_fps` on a grid that belongs to the video, not to the segment.

    For every k the first frame with pts_ms ≥ k · 1000 / sample_fps is taken, so the same frames are looked at
    wherever the video was cut. Whether a segment's very first frame is such a one depends on the frame before it:
    when that cannot be known, the neighbour, whose overlap covers it, decides.
    """

    def __init__(self, sample_fps: float, *, from_ms: int) -> None:
        self._per_ms = sample_fps / 1000.0
        self._cell = -1 if from_ms <= 0 else None

    def wants(self, pts_ms: int) -> bool:
        """Return whether this frame is looked at; to be asked for every frame in order of time."""
        before = self._cell
        self._cell = self._cell_of(pts_ms)
        return self._cell > (self._cell_of(pts_ms - 1) if before is None else before)

    def _cell_of(self, pts_ms: int) -> int:
        return int(pts_ms * self._per_ms + 1e-6) if pts_ms >= 0 else -1
