"""A peer to compare with: the package `face_recognition` (dlib, HOG detector), where somebody installed it.

It is no dependency of ours: `pip install face_recognition setuptools` beside the checkout brings it.
"""

import importlib
import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np

from fanreel.adapters.media.frames import iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.settings import get_settings
from gpu_workers.pipeline.sampling import Sampler

PEER = "face_recognition"


def peer_line(video: Path) -> str:
    """Return what the peer needs to find and encode every face of the looks we take, or that it is not there."""
    if importlib.util.find_spec(PEER) is None:
        return f"peer {PEER}: not installed"
    peer: Any = importlib.import_module(PEER)
    source = FileSource(video)
    media = probe(source)
    sampler, faces, started = Sampler(get_settings().sample_fps, from_ms=0), 0, time.perf_counter()
    for frame in iter_frames(source, media, 0, media.duration_ms + 1000):
        if sampler.wants(frame.pts_ms):
            picture = np.ascontiguousarray(frame.bgr()[:, :, ::-1])
            places = peer.face_locations(picture)
            peer.face_encodings(picture, places)
            faces += len(places)
    seconds = time.perf_counter() - started
    return f"peer {PEER}: {faces} faces in {seconds:.1f} s, {media.duration_ms / 1000 / seconds:.2f} × real time"
