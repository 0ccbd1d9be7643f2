"""Put the demo together: pictures and sound into one file, selfies into folders, and the truth beside them."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.domain.faces import Bgr
from fanreel.errors import InputRejected, TransientFault

from .cast import PEOPLE, Person, photo_path
from .scenes import FPS, HEIGHT, SHOTS, WIDTH, Shot, draw_pitch, face_box, fan_frame, pitch_frame, view_matrix
from .selfies import write_selfies
from .sound import CHEERS_S, write_crowd

DEMO_VERSION = 1
"""Raised when what is drawn changes, so that an older demo on disk is made again."""
VISIBLE_PART = 0.6
"""Share of a face box inside the frame from which the person counts as shown."""


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo lies: the broadcast, one folder of selfies per fan, and who is truly seen when."""

    broadcast: Path
    fans: Path
    truth: Path


def make_demo(directory: Path, package: Path, *, shots: tuple[Shot, ...] = SHOTS) -> Demo:
    """Make the demo in a directory, or leave it if this very version is already there.

    `package` is the installed npm package `@vladmandic/face-api`. Raises `InputRejected` when its photographs are
    missing, `TransientFault` (`demo_encoding_failed`) when ffmpeg fails.
    """
    demo = Demo(directory / "broadcast.mp4", directory / "fans", directory / "truth.json")
    truth = _truth(shots)
    with contextlib.suppress(OSError, ValueError):
        if json.loads(demo.truth.read_text()) == truth and demo.broadcast.is_file():
            return demo
    directory.mkdir(parents=True, exist_ok=True)
    names = {shot.photo for shot in shots if shot.photo} | {person.photo for person in PEOPLE}
    photos = {name: _read(photo_path(package, name)) for name in sorted(names)}
    for person in PEOPLE:
        write_selfies(photos[person.photo], person, demo.fans / person.name)
    _encode(shots, photos, demo.broadcast)
    demo.truth.write_text(json.dumps(truth, indent=1) + "\n")
    return demo


def _read(path: Path) -> Bgr:
    picture = cv2.imread(str(path))
    if picture is None:
        raise InputRejected("demo_photo_missing", f"{path} cannot be read: run `npm ci`")
    return np.asarray(picture, np.uint8)


def _frames(shots: tuple[Shot, ...], photos: dict[str, Bgr]) -> Iterator[Bgr]:
    pitch = draw_pitch()
    for index, shot in enumerate(shots):
        for frame in range(shot.frames):
            if shot.photo is None:
                yield pitch_frame(pitch, shot, frame, index)
            else:
                yield fan_frame(photos[shot.photo], shot, frame, index)


def _encode(shots: tuple[Shot, ...], photos: dict[str, Bgr], target: Path) -> None:
    seconds = sum(shot.frames for shot in shots) / FPS
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        sound, video, log = Path(folder) / "crowd.wav", Path(folder) / "video.mp4", Path(folder) / "log"
        write_crowd(sound, seconds)
        command = [ffmpeg_binary(), "-hide_banner", "-loglevel", "error", "-y"]
        command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-"]
        command += ["-i", str(sound), "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", "50"]
        # A fixed number of threads and no build strings: the same pictures give the same bytes.
        command += ["-pix_fmt", "yuv420p", "-threads", "2", "-c:a", "aac", "-b:a", "128k", "-shortest"]
        command += ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
        command += ["-movflags", "+faststart", str(video)]
        with log.open("wb") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=errors, stderr=errors)
        with process:
            _feed(process.stdin, _frames(shots, photos))
        if process.returncode != 0:
            raise TransientFault("demo_encoding_failed", log.read_text("utf-8", "replace").strip()[-400:])
        video.replace(target)


def _feed(stdin: IO[bytes] | None, frames: Iterator[Bgr]) -> None:
    assert stdin is not None
    # ffmpeg ending early breaks the pipe; its exit status and log tell why.
    with contextlib.suppress(BrokenPipeError), stdin:
        for picture in frames:
            stdin.write(picture.tobytes())


def _truth(shots: tuple[Shot, ...]) -> dict[str, Any]:
    """Who is seen when, from the camera's own path: milliseconds, [start, end)."""
    starts = [sum(shot.frames for shot in shots[:index]) for index in range(len(shots))]
    people = {
        person.name: [
            list(span)
            for index, shot in enumerate(shots)
            if person.in_broadcast and shot.photo == person.photo
            for span in _seen(person, shot, index, starts[index])
        ]
        for person in PEOPLE
    }
    return {
        "version": DEMO_VERSION,
        "durationMs": round(sum(shot.frames for shot in shots) * 1000 / FPS),
        "cutsMs": [round(start * 1000 / FPS) for start in starts[1:]],
        "cheersMs": [round(second * 1000) for second in CHEERS_S],
        "people": people,
    }


def _seen(person: Person, shot: Shot, shot_index: int, first_frame: int) -> Iterator[tuple[int, int]]:
    """Spans in which enough of the face is inside the frame."""
    start: int | None = None
    for frame in range(shot.frames + 1):
        shown = frame < shot.frames and _visible_part(person, shot, frame, shot_index) >= VISIBLE_PART
        if shown and start is None:
            start = frame
        elif not shown and start is not None:
            yield round((first_frame + start) * 1000 / FPS), round((first_frame + frame) * 1000 / FPS)
            start = None


def _visible_part(person: Person, shot: Shot, frame: int, shot_index: int) -> float:
    x0, y0, x1, y1 = (float(v) for v in face_box(view_matrix(shot, frame, shot_index), person.box))
    inside = max(0.0, min(x1, WIDTH) - max(x0, 0.0)) * max(0.0, min(y1, HEIGHT) - max(y0, 0.0))
    return inside / ((x1 - x0) * (y1 - y0))
