"""The model catalogue: which networks exist, where they come from, under which licence, how they are fed."""

import hashlib
import json
import os
import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fanreel.errors import ModelFault

PINS_FILE = "pins.json"
Pack = Literal["baseline", "pro", "extra"]
Role = Literal[
    "detect",
    "embed",
    "expression",
    "age_gender",
    "landmarks",
    "mesh",
    "quality",
    "liveness",
    "person_mask",
    "captioner",
    "read",
]


class InputFormat(BaseModel):
    """What the network sees: pictures of `side_px` (0 = any size), normalised to (x - mean) / std."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int = Field(ge=0)
    colour: Literal["rgb", "bgr", "grey"]
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Entry(BaseModel):
    """One network. Field meanings stand at the top of catalogue.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    role: Role
    pack: Pack
    file: str = Field(pattern=r"^[A-Za-z0-9_.-]+\.(onnx|json)$")
    build: str | None = None
    url: str | None = Field(None, pattern=r"^https://")
    sha256: str = Field(pattern=r"^([0-9a-f]{64})?$")
    bytes: int = Field(ge=0)
    licence_code: str = Field(min_length=1)
    licence_weights: str = Field(min_length=1)
    commercial: bool
    optional: bool = False
    attribution: str = ""
    evidence: str = Field(min_length=1)
    input: InputFormat
    alignment: str = Field(min_length=1)
    preprocessing: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.build is None) == (self.url is None):
            raise ValueError(f"{self.id}: needs either a build step or a url")
        if self.build is not None and not self.sha256:
            raise ValueError(f"{self.id}: what is built here must have its checksum")
        return self

    @property
    def pinned_on_first_use(self) -> bool:
        """Nobody has published this file's checksum; the first pull decides it."""
        return not self.sha256

    def expected_sha256(self, model_dir: Path) -> str | None:
        """Return the checksum the file must have: the catalogue's, else the locked one, else None."""
        return self.sha256 or read_pins(model_dir).get(self.id)


class Catalogue(BaseModel):
    """All entries, in the order of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: tuple[Entry, ...]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for names in ([e.id for e in self.network], [e.file for e in self.network]):
            if len(set(names)) != len(names):
                raise ValueError("ids and files must be unique")
        return self

    def entry(self, entry_id: str) -> Entry:
        """Return the entry; raises ModelFault `model_unknown`."""
        for entry in self.network:
            if entry.id == entry_id:
                return entry
        raise ModelFault("model_unknown", f"the catalogue has no network {entry_id!r}.")

    def pack(self, name: str) -> tuple[Entry, ...]:
        """Return the pack's entries."""
        return tuple(entry for entry in self.network if entry.pack == name)


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Return the catalogue that ships with the package; raises ModelFault `catalogue_malformed`."""
    text = files("fanreel.inference").joinpath("catalogue.toml").read_text("utf-8")
    try:
        return Catalogue.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ModelFault("catalogue_malformed", f"catalogue.toml: {error}") from error


def sha256_of(path: Path) -> str:
    """Return the file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_pins(model_dir: Path) -> dict[str, str]:
    """Return the lock file: {entry id: sha256 seen at the first pull}."""
    path = model_dir / PINS_FILE
    if not path.is_file():
        return {}
    try:
        pins: dict[str, str] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelFault("pins_malformed", f"{path} is not JSON: restore it or delete it to pin again.") from error
    return pins


def write_pin(model_dir: Path, entry_id: str, sha256: str) -> None:
    """Add a checksum to the lock file, atomically."""
    pins = read_pins(model_dir) | {entry_id: sha256}
    draft = model_dir / f".{PINS_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n", "utf-8")
    draft.replace(model_dir / PINS_FILE)
