"""`fanreel cutout`: a person without their background, from a picture or a film."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fanreel.adapters.media.cutout import FilmWriter, SteadyAlpha, brand_background, composed, frames_at
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import RenderStyle
from fanreel.domain.faces import F32, Bgr
from fanreel.domain.montage import output_rate
from fanreel.errors import InputRejected
from fanreel.inference.following import PersonFollower
from fanreel.inference.networks import load_networks
from fanreel.inference.pictures import decode_picture
from fanreel.inference.segmentation import PersonMasks
from fanreel.local.inputs import PICTURE_SUFFIXES
from fanreel.settings import get_settings

problems = Console(stderr=True, highlight=False, soft_wrap=True)


def cutout(
    source: Annotated[Path, typer.Argument(help="A picture or a video.", metavar="FILE", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(help=".png or .jpg of a picture; .mp4, or .webm (see-through), of a video.", metavar="FILE"),
    ],
    background: Annotated[
        str, typer.Option(help="`brand`, a colour (#rrggbb), a picture file, or `none` (.png and .webm).")
    ] = "brand",
    face: Annotated[
        str, typer.Option(help="Whom: x,y in pixels on their face, in the first picture; else the largest face.")
    ] = "",
    start: Annotated[float, typer.Option(min=0, help="Where in the video to begin, seconds.")] = 0.0,
    end: Annotated[float | None, typer.Option(min=0, help="Where to end, seconds; else at its end.")] = None,
) -> None:
    """Cut one person out and set them on another background; whoever else is there is left away."""
    wanted = _wanted(source, out, background, face)
    settings = get_settings()
    networks = load_networks(settings)
    follower = PersonFollower(networks.detector, networks.embedder, wanted.point)
    cutter = _Cutter(PersonMasks.load(settings), follower)
    if source.suffix.lower() in PICTURE_SUFFIXES:
        picture = decode_picture(source.read_bytes())
        alpha = cutter.alpha(picture)
        cutter.require_found()
        _write_picture(out, picture, alpha, wanted.behind(picture.shape[1], picture.shape[0]))
    else:
        _film(source, wanted, cutter, start, end)
    problems.print(f"written to {out}", markup=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for, checked."""

    out: Path
    background: str
    point: tuple[float, float] | None

    def behind(self, width: int, height: int) -> Bgr | None:
        """Return the background at this size; none for a see-through one."""
        style = RenderStyle()
        if self.background == "none":
            return None
        if self.background == "brand":
            return brand_background(width, height, style.brand_colour, style.accent_colour)
        if self.background.startswith("#"):
            return brand_background(width, height, self.background, self.background)
        picture = decode_picture(Path(self.background).read_bytes())
        scale = max(width / picture.shape[1], height / picture.shape[0])
        size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
        whole = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        return np.asarray(whole[top : top + height, left : left + width], np.uint8)


class _Cutter:
    """Follows one person from picture to picture and cuts them out; nobody where their face is not seen."""

    def __init__(self, masks: PersonMasks, follower: PersonFollower) -> None:
        self._masks, self._follower = masks, follower
        self._steady = SteadyAlpha()

    def require_found(self) -> None:
        """Raise InputRejected (`no_face_found`) when the face was never seen: then there is nothing to write."""
        if not self._follower.was_found:
            raise InputRejected("no_face_found", "No face was found, so that nobody could be cut out.")

    def alpha(self, picture: Bgr) -> F32:
        """Return the person's alpha in the next picture, (h, w) 0..1."""
        found = self._follower.next(picture)
        if found is None:
            return np.zeros(picture.shape[:2], np.float32)
        return self._masks.person(picture, found.face, found.others)

    def steady_alpha(self, picture: Bgr) -> F32:
        """Return it held still over time, with nothing kept of another scene."""
        alpha = self.alpha(picture)
        if self._follower.is_new_scene:
            self._steady = SteadyAlpha()
        return self._steady.next(picture, alpha)


def _film(path: Path, wanted: _Wanted, cutter: _Cutter, start_s: float, end_s: float | None) -> None:
    source = FileSource(path)
    media = probe(source)
    start_ms = round(start_s * 1000)
    end_ms = media.duration_ms if end_s is None else min(round(end_s * 1000), media.duration_ms)
    if end_ms <= start_ms:
        raise InputRejected("bad_range", f"--start and --end leave nothing of {media.duration_ms / 1000:.1f} s.")
    rate = output_rate([media.frame_rate.fraction()])
    behind = wanted.behind(media.width, media.height)
    sound = (path, start_ms / 1000, end_ms / 1000) if media.audio else None
    with FilmWriter(
        wanted.out, (media.width, media.height), rate, transparent=behind is None, sound=sound
    ) as film:
        for picture in _shown(frames_at(source, media, start_ms, end_ms, rate), start_ms, end_ms):
            alpha = cutter.steady_alpha(picture)
            if behind is None:
                film.write(picture, alpha)
            else:
                film.write(composed(picture, alpha, behind))
        cutter.require_found()


def _shown(frames: Iterator[tuple[int, Bgr]], start_ms: int, end_ms: int) -> Iterator[Bgr]:
    """Pass the pictures on and show how far they are."""
    with Progress(
        TextColumn("cutting"),
        BarColumn(),
        TimeRemainingColumn(),
        console=problems,
        disable=not problems.is_terminal,
    ) as bar:
        task = bar.add_task("cutting", total=end_ms - start_ms)
        for pts_ms, picture in frames:
            yield picture
            bar.update(task, completed=pts_ms - start_ms)


def _write_picture(out: Path, picture: Bgr, alpha: F32, behind: Bgr | None) -> None:
    if behind is None:
        whole = np.dstack([picture, np.round(alpha * 255).astype(np.uint8)])
    else:
        whole = composed(picture, alpha, behind)
    done, data = cv2.imencode(out.suffix, whole)
    assert done, "a non-empty picture always encodes"
    out.write_bytes(data.tobytes())


def _wanted(source: Path, out: Path, background: str, face: str) -> _Wanted:
    """Check what was asked for; raises InputRejected with what to change."""
    if not source.is_file():
        raise InputRejected("no_such_file", f"{source}: no such file")
    is_picture = source.suffix.lower() in PICTURE_SUFFIXES
    kinds = (".png", ".jpg", ".jpeg") if is_picture else (".mp4", ".webm")
    if out.suffix.lower() not in kinds:
        raise InputRejected("bad_out", f"--out {out}: of this file name one that ends in {' or '.join(kinds)}")
    see_through = out.suffix.lower() in (".png", ".webm")
    if background == "none" and not see_through:
        raise InputRejected("bad_out", f"--background none needs --out ending in .png or .webm, not {out.suffix}")
    if background not in ("none", "brand") and not background.startswith("#") and not Path(background).is_file():
        raise InputRejected("bad_background", f"--background {background}: is no picture file, colour or `brand`")
    if background.startswith("#") and (
        len(background) != 7 or set(background[1:]) - set("0123456789abcdefABCDEF")
    ):
        raise InputRejected("bad_background", f"--background {background}: a colour is #rrggbb")
    if not out.parent.is_dir():
        raise InputRejected("out_unwritable", f"--out {out}: there is no such directory")
    return _Wanted(out, background, _point(face))


def _point(face: str) -> tuple[float, float] | None:
    if not face:
        return None
    try:
        x, y = (float(part) for part in face.split(","))
    except ValueError as wrong:
        raise InputRejected("bad_face", f"--face {face}: give x,y in pixels, such as 640,210") from wrong
    return x, y
