"""The profiles: one TOML file per sport, event or broadcaster, here or in the directory the settings name.

Which one a video has is one key of the upload's metadata (`profile`); `default.toml` documents every setting.
"""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import structlog
from pydantic import ValidationError

from fanreel.domain.profiles import Profile
from fanreel.errors import InputRejected

log = structlog.get_logger()

BUILT_IN = Path(__file__).parent
DEFAULT = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def load_profile(name: str, directory: Path | None = None) -> Profile:
    """Return the profile of this name; `directory` is looked into before ours.

    Raises InputRejected (`unknown_profile`: there is no such file; `bad_profile`: what is wrong in it).
    """
    path = _path(name, directory)
    if path is None:
        known = ", ".join(profile_names(directory))
        raise InputRejected("unknown_profile", f"There is no profile “{name[:64]}”; there are: {known}.")
    return _read(path, path.stat().st_mtime_ns)


def profile_or_default(name: str, directory: Path | None = None) -> Profile:
    """Return the profile, or the default one where it has gone or was spoiled since the upload: work goes on."""
    try:
        return load_profile(name, directory)
    except InputRejected as rejected:
        log.warning("profile.unusable", profile=name, reason=rejected.code)
        return load_profile(DEFAULT)


def profile_names(directory: Path | None = None) -> list[str]:
    """Return the names of all profiles there are."""
    return sorted({path.stem for folder in _folders(directory) for path in folder.glob("*.toml")})


def beside_profile(name: str, file: str, directory: Path | None = None) -> Path:
    """Return a file that a profile names (music, a shot model) and that lies beside it.

    Raises InputRejected (`bad_profile`) when there is none.
    """
    path = _path(name, directory)
    found = path.parent / file if path is not None else None
    if found is None or Path(file).name != file or not found.is_file():
        raise InputRejected(
            "bad_profile", f"Profile “{name}” names {file!r}, but there is no such file beside it."
        )
    return found


def _folders(directory: Path | None) -> list[Path]:
    return [folder for folder in (directory, BUILT_IN) if folder is not None]


def _path(name: str, directory: Path | None) -> Path | None:
    if not _NAME.fullmatch(name):
        return None
    return next((p for folder in _folders(directory) if (p := folder / f"{name}.toml").is_file()), None)


@lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int) -> Profile:
    """Read one file; anew when it has changed."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        return Profile.model_validate({**data, "name": path.stem})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as wrong:
        raise InputRejected("bad_profile", f"Profile “{path.stem}” cannot be used: {_told(wrong)}") from wrong


def _told(wrong: Exception) -> str:
    if isinstance(wrong, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong.errors()[:3])
    return str(wrong)
