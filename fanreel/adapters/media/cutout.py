"""A person without their background: held steady over time, set on another background, written as a film.

Alphas come from whoever can see people (`fanreel.inference.segmentation`); here they are only used.
"""

import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import MediaInfo
from fanreel.domain.faces import F32, Bgr
from fanreel.errors import TransientFault

from .ffmpeg import ffmpeg_binary
from .frames import iter_frames
from .render_source import ratio
from .source import MediaSource

FLOW_WIDTH_PX = 256
KEEP = 0.6
"""Part of the last alpha that stays where its pixel was followed well: a flicker fades to a fifth in 3 frames."""
LOST_FROM = 24.0
"""Difference of grey (of 255) from which the followed pixel is another one: nothing of the past is kept there."""
BANDS, BAND_LIGHT = 5, 0.16
PERSON_HEIGHT = 0.92
"""Height of the person on a poster, as part of it."""
RIM_SHARE = 0.006
_H264 = {"c:v": "libx264", "profile:v": "high", "crf": 20, "movflags": "+faststart"}
_VP9 = {"c:v": "libvpx-vp9", "crf": 30, "b:v": 0, "cpu-used": 4}


class SteadyAlpha:
    """Alphas of a film without flicker: each is mixed with the one before, carried along by the optical flow.

    Flow: dense inverse search (Kroeger et al., ECCV 2016). Begins anew when the picture changes altogether.
    """

    def __init__(self, keep: float = KEEP) -> None:
        self._keep = keep
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._grey: NDArray[Any] | None = None
        self._alpha: F32 | None = None

    def next(self, picture: Bgr, alpha: F32) -> F32:
        """Return the alpha of the next picture, (h, w) 0..1."""
        height, width = picture.shape[:2]
        size = (FLOW_WIDTH_PX, max(16, round(height * FLOW_WIDTH_PX / width)))
        grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA)
        before, last = self._grey, self._alpha
        if before is not None and last is not None and last.shape == alpha.shape:
            alpha = self._mixed(grey, before, last, alpha)
        self._grey, self._alpha = grey, alpha
        return alpha

    def _mixed(self, grey: NDArray[Any], before: NDArray[Any], last: F32, alpha: F32) -> F32:
        back = self._flow.calc(grey, before, np.zeros((*grey.shape, 2), np.float32))  # where each pixel was
        rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
        there_x, there_y = columns + back[..., 0], rows + back[..., 1]
        carried = cv2.remap(before, there_x, there_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        lost = np.abs(carried.astype(np.float32) - grey) / LOST_FROM
        trust = self._keep * np.clip(1 - cv2.blur(lost, (5, 5)), 0, 1)
        size = alpha.shape[::-1]
        scale_x, scale_y = size[0] / grey.shape[1], size[1] / grey.shape[0]
        map_x = (cv2.resize(there_x, size) + 0.5) * scale_x - 0.5
        map_y = (cv2.resize(there_y, size) + 0.5) * scale_y - 0.5
        moved = cv2.remap(last, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.resize(trust.astype(np.float32), size)
        return np.asarray(moved * weight + alpha * (1 - weight), np.float32)


def composed(picture: Bgr, alpha: F32, background: Bgr) -> Bgr:
    """Return the person on a background of the same size."""
    weight = alpha[..., None]
    return np.asarray(picture * weight + background * (1 - weight) + 0.5, np.uint8)


def brand_background(width: int, height: int, brand: str, accent: str) -> Bgr:
    """Return slanted bands of light in a brand's two colours (`#rrggbb`), brighter towards the middle."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    slant = (columns + 0.6 * rows) / (width + 0.6 * height)
    bands = BAND_LIGHT * (np.floor(slant * 2 * BANDS) % 2)
    away = np.hypot(columns / width - 0.5, rows / height - 0.45)
    glow = np.clip(0.45 - away, 0, 1)[..., None]
    base, light = _bgr(brand), _bgr(accent)
    picture = base + (light - base) * bands[..., None] * (0.3 + glow) + (light - base) * glow * 0.9
    return np.asarray(np.clip(cv2.GaussianBlur(picture, (0, 0), max(1.0, width / 900)), 0, 255), np.uint8)


def poster_of(picture: Bgr, alpha: F32, size: tuple[int, int], brand: str, accent: str) -> Bgr | None:
    """Return the person large on a brand's background, (height, width, 3); None where nobody is cut out.

    `size` is width and height; a thin rim of the accent colour sets the person off.
    """
    rows, columns = np.flatnonzero((alpha > 0.5).any(1)), np.flatnonzero((alpha > 0.5).any(0))
    if not len(rows) or not len(columns):
        return None
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    person, matte = picture[part], alpha[part]
    width, height = size
    scale = min(PERSON_HEIGHT * height / person.shape[0], 0.95 * width / person.shape[1])
    target = (max(1, round(person.shape[1] * scale)), max(1, round(person.shape[0] * scale)))
    person = cv2.resize(person, target, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    matte = cv2.resize(matte, target, interpolation=cv2.INTER_LINEAR)
    layer, cover = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.float32)
    left, top = (width - target[0]) // 2, height - target[1]
    layer[top:, left : left + target[0]], cover[top:, left : left + target[0]] = person, matte
    background = brand_background(width, height, brand, accent).astype(np.float32)
    rim = max(1, round(RIM_SHARE * height))
    around = cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)))
    around = cv2.GaussianBlur(around, (0, 0), 1.2)[..., None]
    background = background * (1 - around) + _bgr(accent) * around
    return composed(layer, cover, np.asarray(background, np.uint8))


def frames_at(
    source: MediaSource, media: MediaInfo, start_ms: int, end_ms: int, rate: Fraction
) -> Iterator[tuple[int, Bgr]]:
    """Yield (pts_ms, picture) at a constant rate: the last frame shown by each time, from start to before end."""
    frame_at = 0
    last: Bgr | None = None
    with closing(iter_frames(source, media, start_ms, end_ms)) as frames:
        for frame in frames:
            while last is not None and start_ms + frame_at * 1000 / rate < frame.pts_ms:
                yield round(start_ms + frame_at * 1000 / rate), last
                frame_at += 1
            last = frame.bgr()
    while last is not None and start_ms + frame_at * 1000 / rate < end_ms:
        yield round(start_ms + frame_at * 1000 / rate), last
        frame_at += 1


class FilmWriter:
    """Writes pictures of one size as a film: `.mp4` (H.264, AAC) or `.webm` (VP9, Opus; with alphas see-through).

    Used with `with`: the file appears when all is done and well; otherwise nothing is left. `sound` is a file with
    its start and end in seconds, of which the first sound goes along.
    """

    def __init__(
        self,
        out: Path,
        size: tuple[int, int],
        rate: Fraction,
        *,
        transparent: bool = False,
        sound: tuple[Path, float, float] | None = None,
    ) -> None:
        self._out, self._draft = out, out.with_name(f".{out.stem}.part{out.suffix}")
        self._log = out.with_name(f".{out.stem}.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                _encoding(self._draft, size, rate, transparent, sound),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def write(self, picture: Bgr, alpha: F32 | None = None) -> None:
        """Add the next picture. Raises TransientFault (`render_failed`) when ffmpeg has given up."""
        pixels = picture if alpha is None else np.dstack([picture, np.round(alpha * 255).astype(np.uint8)])
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(pixels).tobytes())
        except BrokenPipeError as broken:
            raise self._fault() from broken

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()
        fault = self._fault() if error is None and self._process.returncode != 0 else None
        self._log.unlink(missing_ok=True)
        if error is None and fault is None:
            self._draft.replace(self._out)
        self._draft.unlink(missing_ok=True)
        if fault is not None:
            raise fault

    def _fault(self) -> TransientFault:
        told = self._log.read_text(errors="replace").strip()[-600:]
        return TransientFault("render_failed", "ffmpeg could not write the film.", stderr=told)


def _encoding(
    out: Path, size: tuple[int, int], rate: Fraction, transparent: bool, sound: tuple[Path, float, float] | None
) -> list[str]:
    pixels = "bgra" if transparent else "bgr24"
    picture = ffmpeg.input("pipe:0", f="rawvideo", pix_fmt=pixels, s=f"{size[0]}x{size[1]}", r=ratio(rate))
    edge = "black@0" if transparent else "black"  # 4:2:0 needs an even size
    even = picture.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2", color=edge)
    streams: list[Any] = [even.filter("setsar", 1)]
    is_webm = out.suffix.lower() == ".webm"
    options: dict[str, Any] = {"pix_fmt": "yuva420p" if transparent else "yuv420p", "map_metadata": -1}
    options |= _VP9 if is_webm else _H264
    if sound is not None:
        path, start_s, end_s = sound
        streams.append(ffmpeg.input(f"file:{path.absolute()}", ss=start_s, t=end_s - start_s)["a:0"])
        options |= {"c:a": "libopus" if is_webm else "aac", "ac": 2, "ar": 48_000}
    output = ffmpeg.output(*streams, f"file:{out}", **options).overwrite_output()
    command: list[str] = output.global_args("-hide_banner", "-loglevel", "warning").compile(cmd=ffmpeg_binary())
    return command


def _bgr(colour: str) -> NDArray[Any]:
    return np.array([int(colour[index : index + 2], 16) for index in (5, 3, 1)], np.float32)
