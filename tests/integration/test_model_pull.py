"""Fetching models over a real socket: checksum, resume, mirror, refusal, silence."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fanreel.commands.models import app
from fanreel.errors import ModelFault, TransientFault
from fanreel.inference import packs
from fanreel.inference.catalogue import Entry, catalogue, read_pins
from fanreel.inference.packs import pull_pack, state_of
from fanreel.inference.pull import Download, copy_from, fetch
from fanreel.settings import Settings, get_settings

pytestmark = pytest.mark.integration

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Home(BaseHTTPRequestHandler):
    """Serves BODY under any path; `server.cut_after` breaks connections, `server.ranges` turns Range off."""

    def do_GET(self) -> None:
        server = self.server
        server.seen.append((self.path, self.headers.get("Range")))  # pyright: ignore[reportAttributeAccessIssue]
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/broken"):
            self.send_error(503)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and server.ranges:  # pyright: ignore[reportAttributeAccessIssue]
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(BODY):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        cut = server.cut_after or len(BODY)  # pyright: ignore[reportAttributeAccessIssue]
        self.wfile.write(BODY[start : start + cut])

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def home() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Home)
    server.seen, server.cut_after, server.ranges = [], 0, True  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def url(server: ThreadingHTTPServer, path: str = "/model.onnx") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_file_appears_with_progress_and_no_part_left(home, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    target = tmp_path / "deep" / "model.onnx"
    assert fetch(Download(url(home), SHA256, len(BODY)), target, lambda *step: told.append(step)) == SHA256
    assert target.read_bytes() == BODY
    assert told[-1] == ("model.onnx", len(BODY), len(BODY))
    assert [step[1] for step in told] == sorted(step[1] for step in told)
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]


def test_broken_download_is_resumed_where_it_ended(home, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    home.cut_after = 300_000
    with pytest.raises(TransientFault) as fault:
        fetch(Download(url(home), SHA256), target)
    assert fault.value.code == "download_incomplete"
    assert not target.exists()
    assert (tmp_path / "model.onnx.part").stat().st_size == 300_000
    home.cut_after = 0
    fetch(Download(url(home), SHA256), target)
    assert target.read_bytes() == BODY
    assert home.seen[-1][1] == "bytes=300000-"


def test_server_without_ranges_starts_over(home, tmp_path: Path) -> None:
    home.ranges = False
    (tmp_path / "model.onnx.part").write_bytes(BODY[:1000])
    fetch(Download(url(home), SHA256), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == BODY


def test_part_of_another_file_is_thrown_away(home, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(b"x" * 1000)
    fetch(Download(url(home), SHA256), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == BODY


@pytest.mark.parametrize("size", [0, len(BODY)])
def test_part_that_is_too_long_is_thrown_away(home, tmp_path: Path, size: int) -> None:
    (tmp_path / "model.onnx.part").write_bytes(BODY + b"more")
    fetch(Download(url(home), SHA256, size), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == BODY


def test_complete_part_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(BODY)
    fetch(Download("http://127.0.0.1:9/", SHA256, len(BODY)), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == BODY


def test_wrong_checksum_leaves_nothing(home, tmp_path: Path) -> None:
    with pytest.raises(ModelFault) as fault:
        fetch(Download(url(home), "0" * 64), tmp_path / "model.onnx")
    assert fault.value.code == "model_checksum_mismatch"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [("/missing", ModelFault, "model_source_refused"), ("/broken", TransientFault, "model_source_unreachable")],
)
def test_http_errors_are_told_apart(home, tmp_path: Path, path: str, kind: type, code: str) -> None:
    with pytest.raises(kind) as fault:
        fetch(Download(url(home, path), SHA256), tmp_path / "model.onnx")
    assert fault.value.code == code


def test_unreachable_source_gives_up_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(TransientFault, match="FANREEL_MODEL_MIRROR") as fault:
        fetch(Download(f"http://127.0.0.1:{closed}/m.onnx", SHA256), tmp_path / "model.onnx")
    assert fault.value.code == "model_source_unreachable"
    assert time.monotonic() - begin < 5


def test_mirror_folder_is_checked_too(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    target = tmp_path / "models" / "m.onnx"
    assert copy_from(mirror, "m.onnx", Download("", SHA256), target) is None
    (mirror / "m.onnx").write_bytes(BODY[:-1])
    with pytest.raises(ModelFault):
        copy_from(mirror, "m.onnx", Download("", SHA256), target)
    (mirror / "m.onnx").write_bytes(BODY)
    assert copy_from(mirror, "m.onnx", Download("", SHA256), target) == SHA256
    assert target.read_bytes() == BODY


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Make the catalogue hold nothing but variations of its YuNet entry."""

    def use(**changes: object) -> Entry:
        changes = {"file": "m.onnx", "sha256": SHA256, "bytes": len(BODY), "pack": "pro", **changes}
        entry = catalogue().entry("yunet").model_copy(update=changes)
        small = catalogue().model_copy(update={"network": (entry,)})
        monkeypatch.setattr(packs, "catalogue", lambda: small)
        return entry

    return use


def test_mirror_url_stands_in_for_the_official_home(home, only, tmp_path: Path) -> None:
    only(url="https://unreachable.invalid/m.onnx")
    settings = Settings(model_dir=tmp_path, model_mirror=url(home, "/mirror/"))
    assert pull_pack(settings, "pro").made == ("yunet",)
    assert home.seen == [("/mirror/m.onnx", None)]
    assert pull_pack(settings, "pro").made == ()
    assert len(home.seen) == 1


def test_unpublished_checksum_is_pinned_by_the_first_pull_and_kept(home, only, tmp_path: Path) -> None:
    entry = only(sha256="", bytes=0)
    settings = Settings(model_dir=tmp_path, model_mirror=url(home))
    report = pull_pack(settings, "pro")
    assert SHA256 in report.notes[0]
    assert read_pins(tmp_path) == {"yunet": SHA256}
    assert state_of(entry, tmp_path).ready
    (tmp_path / "m.onnx").write_bytes(b"other")
    assert state_of(entry, tmp_path).state == "wrong"
    assert pull_pack(settings, "pro").made == ("yunet",)
    assert (tmp_path / "m.onnx").read_bytes() == BODY


def test_non_commercial_weights_need_the_flag(home, only, tmp_path: Path) -> None:
    only(commercial=False, licence_weights="research only")
    settings = Settings(model_dir=tmp_path, model_mirror=url(home))
    report = pull_pack(settings, "pro")
    assert report.skipped == ("yunet",)
    assert "research only" in report.notes[0]
    assert home.seen == []
    assert pull_pack(settings, "pro", allow_noncommercial=True).made == ("yunet",)


def test_required_file_that_cannot_be_reached_fails_and_optional_does_not(home, only, tmp_path: Path) -> None:
    settings = Settings(model_dir=tmp_path, model_mirror=url(home, "/broken"))
    only(optional=False)
    with pytest.raises(TransientFault):
        pull_pack(settings, "pro")
    only(optional=True)
    report = pull_pack(settings, "pro")
    assert report.skipped == ("yunet",)
    assert "tiled SSD serves" in report.notes[0]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CliRunner]:
    monkeypatch.setenv("FANREEL_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.delenv("FANREEL_MODEL_MIRROR", raising=False)
    get_settings.cache_clear()
    yield CliRunner()
    get_settings.cache_clear()


def test_cli_builds_verifies_and_lists(cli: CliRunner) -> None:
    assert cli.invoke(app, ["verify"]).exit_code == 1
    first = cli.invoke(app, ["build"])
    assert first.exit_code == 0, first.output
    second = cli.invoke(app, ["build"])
    assert second.output.strip() == "models: baseline pack ready (8 networks, 67 MB)"
    assert cli.invoke(app, ["verify"]).exit_code == 0
    listed = cli.invoke(app, ["list"])
    assert listed.exit_code == 0
    assert all(entry.id in listed.output for entry in catalogue().network)


def test_cli_says_one_line_when_the_npm_packages_are_missing(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FANREEL_NODE_MODULES", str(tmp_path / "nowhere"))
    result = cli.invoke(app, ["build"])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "npm ci" in result.output


def test_cli_rejects_an_unknown_pack(cli: CliRunner) -> None:
    assert cli.invoke(app, ["pull", "enormous"]).exit_code == 2
