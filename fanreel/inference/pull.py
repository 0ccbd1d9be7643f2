"""Fetching one file by url and checksum: resumable, atomic, quick to give up on an unreachable network."""

import hashlib
import http.client
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from fanreel.errors import ModelFault, TransientFault

Progress = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all or 0 when unknown)."""

CONNECT_SECONDS = 4.0
READ_SECONDS = 30.0
CHUNK_BYTES = 1 << 18
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, SERVER_ERROR = 206, 416, 500


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch: `sha256` None = accept any content and report its checksum; `bytes` 0 = unknown."""

    url: str
    sha256: str | None
    bytes: int = 0


def silent(_name: str, _done: int, _total: int) -> None:
    """Report nothing."""


def fetch(wanted: Download, target: Path, progress: Progress = silent) -> str:
    """Fetch into `target` and return the sha256. A broken download stays as `<target>.part` and is resumed.

    The target appears only after the checksum fits. Raises TransientFault `model_source_unreachable` or
    `download_incomplete` (try again), ModelFault `model_source_refused` or `model_checksum_mismatch`.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.is_file() and part.stat().st_size > 0
    _download(wanted, part, target.name, progress)
    digest = _sha256(part)
    if resumed and wanted.sha256 and digest != wanted.sha256:  # the old part belonged to another file: once afresh
        part.unlink()
        _download(wanted, part, target.name, progress)
        digest = _sha256(part)
    return _accept(part, target, digest, wanted)


def copy_from(folder: Path, name: str, wanted: Download, target: Path) -> str | None:
    """Take the file from a mirror folder; None when absent. Raises ModelFault `model_checksum_mismatch`."""
    source = folder / name
    if not source.is_file():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    return _accept(part, target, _sha256(part), wanted)


def _accept(part: Path, target: Path, digest: str, wanted: Download) -> str:
    if wanted.sha256 and digest != wanted.sha256:
        part.unlink()
        raise ModelFault(
            "model_checksum_mismatch",
            f"{target.name} has checksum {digest}, expected {wanted.sha256}: the source serves another file.",
        )
    part.replace(target)
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(wanted: Download, part: Path, name: str, progress: Progress) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if wanted.bytes and have >= wanted.bytes:  # complete already, or not ours
        if have == wanted.bytes:
            return
        have = 0
    _check_reachable(wanted.url)
    headers = {"User-Agent": "fanreel", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(wanted.url, headers=headers)  # noqa: S310 (schemes: catalogue https, or the operator's mirror)
    try:
        with urllib.request.urlopen(request, timeout=READ_SECONDS) as response:  # noqa: S310
            if response.status != PARTIAL_CONTENT or not _continues(response, have):
                have = 0
            with part.open("ab" if have else "wb") as file:
                _copy(response, file, have, name, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == RANGE_NOT_SATISFIABLE and have:
                part.unlink()
                return _download(wanted, part, name, progress)
        if error.code >= SERVER_ERROR:
            raise _unreachable(wanted.url, f"HTTP {error.code}") from error
        raise ModelFault("model_source_refused", f"{wanted.url} answers HTTP {error.code}.") from error
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise _unreachable(wanted.url, str(getattr(error, "reason", error))) from error


def _continues(response: http.client.HTTPResponse, have: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _copy(response: http.client.HTTPResponse, file: BinaryIO, have: int, name: str, progress: Progress) -> None:
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else 0
    while block := response.read(CHUNK_BYTES):
        file.write(block)
        have += len(block)
        progress(name, have, total)
    if total and have < total:
        raise TransientFault(
            "download_incomplete",
            f"{name}: the connection ended after {have} of {total} bytes; run it again to resume.",
        )


def _unreachable(url: str, reason: str) -> TransientFault:
    host = urlsplit(url).hostname or url
    return TransientFault(
        "model_source_unreachable",
        f"{host} cannot be reached ({reason}). Check the network, or set FANREEL_MODEL_MIRROR to a folder or url "
        "that holds the file.",
    )


def _check_reachable(url: str) -> None:
    """Connect once, all addresses of the host within one deadline; urllib would wait for each in turn."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if urllib.request.getproxies().get(parts.scheme) and not urllib.request.proxy_bypass(host):
        return
    deadline = time.monotonic() + CONNECT_SECONDS
    reason = "no address"
    try:
        addresses = socket.getaddrinfo(
            host, parts.port or (443 if parts.scheme == "https" else 80), type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise _unreachable(url, str(error)) from error
    for family, kind, protocol, _, address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        with suppress(OSError), socket.socket(family, kind, protocol) as probe:
            probe.settimeout(left)
            probe.connect(address)
            return
        reason = "no answer"
    raise _unreachable(url, reason)
