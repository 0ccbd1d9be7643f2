"""A match made on the spot: long quiet play, a few planted events, and things that only look or sound like events.

An event: the players run, the crowd roars, the picture cuts to the stands, and the action is shown again at half
speed under a logo. Whether there are cuts and a replay varies from event to event, as it does in broadcasts.
"""

import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.domain.faces import Bgr

WIDTH, HEIGHT, FPS = 320, 180, 25
RATE_HZ = 16_000
MURMUR = 0.02
RUN_S, ROAR_S, REACTION_S = 4.0, 6.0, 6.0
"""How long the players run, the crowd roars (from a second after the run's middle) and the stands are shown."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happens around `at_s`, when the players begin to run."""

    at_s: float
    roar_db: float = 12.0
    runs: bool = True
    cuts: int = 3
    """Shots of the stands, from two seconds after the run."""
    replay: bool = True
    is_highlight: bool = True
    """Whether it is to be found; the others are there to mislead."""

    @property
    def peak_s(self) -> float:
        """Return when it is decided."""
        return self.at_s + RUN_S - 1


@dataclass(frozen=True, slots=True)
class _Take:
    """A run of frames: of play, the camera at `from_s` of its course, or of the stands' place number `seat`."""

    frames: int
    from_s: float = 0.0
    slower: float = 1.0
    seat: int | None = None
    is_replay: bool = False


def planned_events(seconds: float, seed: int, count: int) -> list[Event]:
    """Return so many highlights, strong and weak, with or without cuts and replay, and as many distractions."""
    rng = np.random.default_rng(seed)
    slots = (np.arange(2 * count) + 0.5) * seconds / (2 * count) + rng.uniform(-4, 4, 2 * count)
    order = rng.permutation(2 * count)
    events: list[Event] = []
    for row, slot in enumerate(order.tolist()):
        at_s = float(slots[slot])
        if row < count:
            shown_again = row % 2 == 0
            events.append(
                Event(at_s, roar_db=float(rng.uniform(3, 10)), cuts=int(rng.integers(1, 4)), replay=shown_again)
            )
        else:
            events.append(_distraction(row % 4, at_s))
    return sorted(events, key=lambda event: event.at_s)


def _distraction(kind: int, at_s: float) -> Event:
    """Return a run nobody minds, a substitution (the picture cuts about), a loud announcement, or a chant."""
    if kind == 0:
        return Event(at_s, 0.0, cuts=0, replay=False, is_highlight=False)
    if kind == 1:
        return Event(at_s, 0.0, runs=False, cuts=3, replay=False, is_highlight=False)
    return Event(at_s, 9.0 if kind == 2 else 5.0, runs=False, cuts=0, replay=False, is_highlight=False)


def make_match(
    path: Path, seconds: float, events: list[Event], *, seed: int = 1
) -> list[tuple[int, int, int, int]]:
    """Write the match to `path` (MP4, 320 × 180 at 25 fps, mono sound).

    Returns the replays in it: when each is shown, [start_ms, end_ms), and what it shows, [from_ms, to_ms).
    """
    takes = _takes(seconds, events)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        sound = Path(folder) / "crowd.wav"
        _write_sound(sound, seconds, events, seed)
        command = [ffmpeg_binary(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24"]
        command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-", "-i", str(sound)]
        command += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "24", "-threads", "1", "-g", "50"]
        command += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            for picture in _pictures(takes, events, seed):
                process.stdin.write(picture.tobytes())
            process.stdin.close()
    if process.returncode != 0:
        raise RuntimeError("ffmpeg could not write the match")
    return _replays(takes)


def _takes(seconds: float, events: list[Event]) -> list[_Take]:
    """Return the programme: play, and soon after each event its shots of the stands and its replay."""
    takes: list[_Take] = []
    done = 0
    for number, event in enumerate(events):
        if not event.cuts and not event.replay:
            continue
        away = round((event.at_s + RUN_S + 2) * FPS)
        takes.append(_Take(away - done, done / FPS))
        done = away
        for cut in range(event.cuts):
            takes.append(_Take(round(REACTION_S / event.cuts * FPS), seat=10 * number + cut))
            done += takes[-1].frames
        if event.replay:
            takes.append(_Take(round(2 * RUN_S * FPS), event.at_s, slower=2.0, is_replay=True))
            done += takes[-1].frames
    takes.append(_Take(round(seconds * FPS) - done, done / FPS))
    return [take for take in takes if take.frames > 0]


def _replays(takes: list[_Take]) -> list[tuple[int, int, int, int]]:
    starts = np.concatenate([[0], np.cumsum([take.frames for take in takes])]) * 1000 // FPS
    return [
        (int(a), int(b), round(take.from_s * 1000), round((take.from_s + RUN_S) * 1000))
        for take, a, b in zip(takes, starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        if take.is_replay
    ]


def _pictures(takes: list[_Take], events: list[Event], seed: int) -> Iterator[Bgr]:
    ground = _panorama(seed, (900, 2400), np.array([60, 140, 60]), 18.0)
    stands = _panorama(seed + 1, (900, 2400), np.array([110, 100, 120]), 45.0)
    for take in takes:
        for frame in range(take.frames):
            now = take.from_s + frame / FPS / take.slower
            if take.seat is not None:
                yield _stands(stands, take.seat, frame)
                continue
            picture = _play(ground, events, now)
            if take.is_replay:
                cv2.rectangle(picture, (12, 10), (52, 26), (20, 20, 220), -1)
            yield picture


def _panorama(seed: int, size: tuple[int, int], colour: NDArray[np.int64], contrast: float) -> Bgr:
    """Return a large textured picture: patches, grain and lines, nowhere twice the same."""
    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.normal(size=size), width) * width for width in (1.5, 10, 60)]
    grain = np.sum(layers, axis=0)
    grain *= contrast / grain.std()
    return np.clip(colour + grain[:, :, None], 0, 255).astype(np.uint8)


def _view(panorama: Bgr, x: float, y: float, zoom: float) -> Bgr:
    """Return what a camera sees that looks at (x, y), 0..1 of the way each, `zoom` panorama pixels a pixel."""
    width, height = WIDTH * zoom, HEIGHT * zoom
    left, top = x * (panorama.shape[1] - width), y * (panorama.shape[0] - height)
    matrix = np.array([[zoom, 0, left], [0, zoom, top]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(panorama, matrix, (WIDTH, HEIGHT), flags=flags), np.uint8)


def _play(ground: Bgr, events: list[Event], now: float) -> Bgr:
    """Return the pitch at a moment: the camera follows the play, eleven a side wander, and run when it counts."""
    hurry = sum(_bump(now, event.at_s, RUN_S) for event in events if event.runs)
    x = 0.5 + 0.3 * np.sin(now / 17) + 0.13 * np.sin(now / 5.3) + 0.05 * np.sin(now * 0.9) * min(1, hurry)
    picture = _view(ground, float(x), 0.5 + 0.3 * float(np.sin(now / 23)), 1.6)
    run = sum(_ran(now, event.at_s, RUN_S) for event in events if event.runs)
    for player in range(22):
        pace = 0.02 + 0.004 * player
        along = (player * 0.37 + pace * now + 0.5 * (1 if player % 2 else -1) * run) % 1
        across = 0.15 + 0.7 * ((player * 0.61 + 0.05 * np.sin(now * 0.7 + player)) % 1)
        colour = (40, 40, 200) if player % 2 else (220, 220, 220)
        cv2.circle(picture, (int(along * WIDTH), int(across * HEIGHT)), 5, colour, -1)
    return picture


def _stands(stands: Bgr, seat: int, frame: int) -> Bgr:
    x, y = (seat * 0.379) % 1, (seat * 0.617) % 1
    shake = 0.002 * np.sin(frame * 0.9 + seat)
    return _view(stands, float(np.clip(x + shake, 0, 1)), y, 0.8 + 0.1 * (seat % 4))


def _bump(now: float, start: float, length: float) -> float:
    """Return 1 within the time, falling off over half a second on either side."""
    return float(np.clip(min(now - start, start + length - now) / 0.5 + 1, 0, 1))


def _ran(now: float, start: float, length: float) -> float:
    """Return how long has been run, at most the whole time."""
    return float(np.clip(now - start, 0, length))


def _write_sound(path: Path, seconds: float, events: list[Event], seed: int) -> None:
    """Write a crowd that murmurs, sways by itself and roars at events: noise between 150 and 4,000 Hz."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * RATE_HZ)
    time = np.arange(samples) / RATE_HZ
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    band = (frequency > 150) & (frequency < 4_000)
    noise = np.fft.irfft(spectrum * band / np.sqrt(np.maximum(frequency, 20.0)), samples)
    knots = np.arange(0, seconds + 8, 8)
    level_db = np.interp(time, knots, rng.normal(0, 1.0, len(knots)))
    for event in events:
        since = time - (event.peak_s + 1)
        shape = np.clip(since / 0.7, 0, 1) * np.clip((ROAR_S - since) / 2, 0, 1)
        level_db = level_db + event.roar_db * shape
    crowd = MURMUR * noise / np.sqrt(np.mean(noise**2)) * 10 ** (level_db / 20)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(crowd, -0.98, 0.98) * 32767).astype("<i2").tobytes())
