"""`python -m benchmarks.detection [VIDEO…]`: what the detector finds and costs beside fine looks at all pictures.

The reference shows YuNet every whole picture twice, at the fine and at the coarse size, and takes close-ups from
the coarse one. Faces are paired by overlap; bands are heights in pixels of the fine picture.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.material import quiet_logs, shared_media
from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.domain.faces import F32, Bgr, Faces
from fanreel.inference.boxes import areas, intersections, suppress
from fanreel.inference.images import shrink_to
from fanreel.inference.runtime import RuntimeOptions, open_network
from fanreel.inference.yunet import COARSE_LONG_SIDE_PX, YuNetDetector
from fanreel.inference.yunet_network import MAX_OVERLAP, YuNet
from fanreel.settings import get_settings
from gpu_workers.pipeline.sampling import Sampler

CLIPS = (
    "broadcast/broadcast.mp4",
    "video/people/station_crowd_1080p.mp4",
    "video/people/promo_many_faces_20cuts.mp4",
    "video/sports/laliga_wide_720p.mp4",
    "video/sports/ucl_football_cuts_1080p.mp4",
    "video/sports/nba_halfcourt.mp4",
)
BANDS_PX = (0, 16, 24, 40, 80)
SAME_FACE_IOU = 0.4
CLOSE_UP_PX = 96


@dataclass(slots=True)
class Score:
    """Counts by band (5,): faces of the reference, those also found, and those found that it has not."""

    wanted: F32 = field(default_factory=lambda: np.zeros(len(BANDS_PX), np.float32))
    found: F32 = field(default_factory=lambda: np.zeros(len(BANDS_PX), np.float32))
    more: F32 = field(default_factory=lambda: np.zeros(len(BANDS_PX), np.float32))
    looks: int = 0
    cpu_seconds: float = 0.0
    reference_cpu_seconds: float = 0.0

    def add(self, reference: Faces, found: Faces, fine_px: float) -> None:
        """Count one frame; `fine_px` is a frame pixel in the fine picture."""
        common = intersections(reference.boxes, found.boxes)
        union = areas(reference.boxes)[:, None] + areas(found.boxes)[None, :] - common
        overlap = common > SAME_FACE_IOU * union
        np.add.at(self.wanted, _band(reference, fine_px), 1)
        np.add.at(self.found, _band(reference, fine_px), np.any(overlap, axis=1))
        np.add.at(self.more, _band(found, fine_px), ~np.any(overlap, axis=0))
        self.looks += 1


def main() -> None:
    """Measure and print."""
    quiet_logs()
    cv2.setNumThreads(1)
    media = shared_media()
    paths = [Path(name) for name in sys.argv[1:]] or [media / clip for clip in CLIPS if media is not None]
    settings = get_settings()
    session = open_network("yunet", settings.model_dir, RuntimeOptions())
    detector = YuNetDetector(session, settings.detector_long_side_px, settings.yunet_min_score)
    table = Table(
        title=f"faces found of those a fine look at every picture finds, at {settings.sample_fps:g} looks/s"
    )
    for name in ("clip", "looks", *(f"{low}+ px" for low in BANDS_PX), "more", "CPU ms/look", "reference"):
        table.add_column(name, justify="left" if name == "clip" else "right")
    for path in paths:
        score = compare(path, detector, YuNet(session), settings.sample_fps)
        bands = [f"{f:.0f}/{w:.0f}" if w else "–" for f, w in zip(score.found, score.wanted, strict=True)]
        more = "+".join(f"{count:.0f}" for count in score.more)
        cost, before = (1000 * s / max(score.looks, 1) for s in (score.cpu_seconds, score.reference_cpu_seconds))
        table.add_row(path.name, str(score.looks), *bands, more, f"{cost:.1f}", f"{before:.1f}")
    Console(width=150).print(table)


def compare(path: Path, detector: YuNetDetector, network: YuNet, sample_fps: float) -> Score:
    """Look at a video with both."""
    score = Score()
    for picture in _pictures(path, sample_fps):
        found, seconds = _timed(lambda shown=picture: detector.detect(shown))
        score.cpu_seconds += seconds
        reference, seconds = _timed(
            lambda shown=picture: look_twice(network, shown, detector.long_side_px, detector.min_score)
        )
        score.reference_cpu_seconds += seconds
        score.add(reference, found, min(1.0, detector.long_side_px / max(picture.shape[:2])))
    return score


def look_twice(network: YuNet, frame: Bgr, long_side_px: int, min_score: float) -> Faces:
    """Return the faces of two looks at the whole frame."""
    picture, scale = shrink_to(frame, long_side_px)
    (fine,) = network.find([picture], min_score)
    if max(picture.shape[:2]) > COARSE_LONG_SIDE_PX:
        small, shrunk = shrink_to(picture, COARSE_LONG_SIDE_PX)
        (coarse,) = network.find([small], min_score)
        coarse = coarse.select(np.flatnonzero(coarse.heights >= CLOSE_UP_PX))
        fine = _with_close_ups(fine, Faces(coarse.boxes / shrunk, coarse.scores, coarse.points / shrunk))
    return Faces(fine.boxes / scale, fine.scores, fine.points / scale)


def _with_close_ups(fine: Faces, coarse: Faces) -> Faces:
    part = intersections(fine.boxes, coarse.boxes) > 0.6 * areas(fine.boxes)[:, None]
    part &= areas(fine.boxes)[:, None] < 0.5 * areas(coarse.boxes)[None, :]
    fine = fine.select(np.flatnonzero(~np.any(part, axis=1)))
    columns = [np.concatenate([getattr(fine, n), getattr(coarse, n)]) for n in ("boxes", "scores", "points")]
    both = Faces(*columns)
    return both.select(suppress(both.boxes, both.scores, MAX_OVERLAP))


def _band(faces: Faces, fine_px: float) -> NDArray[np.intp]:
    return np.digitize(faces.heights * fine_px, BANDS_PX) - 1


def _timed(work: Callable[[], Faces]) -> tuple[Faces, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def _pictures(path: Path, sample_fps: float) -> Iterator[Bgr]:
    source = FileSource(path)
    media = probe(source)
    sampler = Sampler(sample_fps, from_ms=0)
    for frame in iter_frames(source, media, 0, media.duration_ms + 1000):
        if sampler.wants(frame.pts_ms):
            yield frame.bgr()


if __name__ == "__main__":
    main()
