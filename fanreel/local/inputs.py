"""What `fanreel run` is given: checked before anything is started, so that a typing mistake costs no minute."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fanreel.adapters.media.source import FileSource, fingerprint
from fanreel.domain import naming
from fanreel.domain.titles import plain_title
from fanreel.errors import InputRejected
from fanreel.profiles import load_profile
from fanreel.settings import get_settings

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff"}
)
MAX_ID_LENGTH = 63
"""What the API takes."""
# What is safe in a blob name, a document id, an orchestration id and a file name alike.
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class VideoInput:
    """A broadcast to upload as `<event>/<name>`; `video_id` is what the flow will call it."""

    path: Path
    name: str
    video_id: str


@dataclass(frozen=True, slots=True)
class FanInput:
    """A fan and their selfies, as (blob file name, path)."""

    fan_id: str
    selfies: tuple[tuple[str, Path], ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything to be done. `notes` are one-line remarks for the person (a video given twice …)."""

    event: str
    videos: tuple[VideoInput, ...]
    fans: tuple[FanInput, ...]
    notes: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the uploads are to say of themselves: `profile`, `title`, `subtitle`."""


def read_inputs(
    videos: Sequence[Path], fans: Path, event: str, metadata: Mapping[str, str] | None = None
) -> Inputs:
    """Check and name everything. Raises `InputRejected` with one clear line about what to change."""
    notes: list[str] = []
    event_id = safe_id(event)
    if event_id != event:
        raise InputRejected(
            "bad_event", f"--event may hold letters, digits, - and _ only: try {event_id or 'match'!r}"
        )
    said = {key: plain_title(value) for key, value in (metadata or {}).items() if value.strip()}
    if "profile" in said:
        load_profile(said["profile"], get_settings().profile_dir)
    return Inputs(event_id, _videos(videos, event_id, notes), _fans(fans, notes), tuple(notes), said)


def safe_id(name: str) -> str:
    """Return the name as an id: accents dropped, every other character than letters, digits, - and _ made a -."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", plain).strip("-_")[:MAX_ID_LENGTH]


def _videos(paths: Sequence[Path], event: str, notes: list[str]) -> tuple[VideoInput, ...]:
    found: dict[str, VideoInput] = {}
    names: set[str] = set()
    for path in paths:
        _require_file(path)
        video_id = naming.video_id(event, fingerprint(FileSource(path)))
        if video_id in found:
            notes.append(f"{path}: the same video as {found[video_id].path}, taken once")
            continue
        name = _free_name(_file_name(path), names)
        names.add(name)
        found[video_id] = VideoInput(path, name, video_id)
    return tuple(found.values())


def _require_file(path: Path) -> None:
    if not path.exists():
        raise InputRejected("no_such_file", f"{path}: no such file")
    if not path.is_file():
        raise InputRejected("not_a_file", f"{path}: not a file")
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputRejected("file_unreadable", f"{path}: cannot be read ({error.strerror})") from error


def _file_name(path: Path) -> str:
    stem = safe_id(path.stem) or hashlib.sha256(path.name.encode()).hexdigest()[:12]
    suffix = re.sub(r"[^A-Za-z0-9.]", "", path.suffix).lower()
    return stem + (suffix or ".bin")


def _free_name(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    number = 2
    while name in taken:
        name = f"{stem}-{number}{dot}{suffix}"
        number += 1
    return name


def _fans(directory: Path, notes: list[str]) -> tuple[FanInput, ...]:
    if not directory.exists():
        raise InputRejected("no_such_directory", f"--fans {directory}: no such directory")
    if not directory.is_dir():
        raise InputRejected("not_a_directory", f"--fans {directory}: not a directory")
    fans: dict[str, tuple[str, FanInput]] = {}
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")):
        fan = _fan(folder, notes)
        if fan.fan_id in fans:
            other = fans[fan.fan_id][0]
            raise InputRejected(
                "fan_id_taken", f"folders {other!r} and {folder.name!r} both mean fan {fan.fan_id!r}: rename one"
            )
        fans[fan.fan_id] = (folder.name, fan)
    if not fans:
        raise InputRejected("no_fans", f"--fans {directory}: holds no folders; make one folder of selfies per fan")
    return tuple(fan for _, fan in fans.values())


def _fan(folder: Path, notes: list[str]) -> FanInput:
    fan_id = safe_id(folder.name)
    if not fan_id:
        raise InputRejected(
            "bad_fan_id", f"folder {folder.name!r}: use letters or digits, they become the fan's id"
        )
    if fan_id != folder.name:
        notes.append(f"folder {folder.name!r}: fan id {fan_id!r}")
    pictures = sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES
    )
    if not pictures:
        kinds = " ".join(sorted(PICTURE_SUFFIXES))
        raise InputRejected("no_selfies", f"{folder}: holds no pictures ({kinds})")
    names: set[str] = set()
    selfies: list[tuple[str, Path]] = []
    for path in pictures:
        name = _free_name(_file_name(path), names)
        names.add(name)
        selfies.append((name, path))
    return FanInput(fan_id, tuple(selfies))
