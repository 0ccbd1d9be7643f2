"""Runs the real ``python -m devhost`` for tests and talks to it over HTTP."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

APPS = Path(__file__).resolve().parent
START_TIMEOUT_S = 40.0
_STARTED = re.compile(r"Host started on (http://\S+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def eventually(check: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """The first truthy value of ``check``; fails with its last value after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {timeout_s} s"
        time.sleep(0.05)


class RunningHost:
    """One host process; a context manager that ends it."""

    def __init__(
        self,
        app: Path | str,
        work_dir: Path,
        *options: str,
        port: int = 0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.work_dir = work_dir
        self.effects = work_dir / "effects"
        self.effects.mkdir(parents=True, exist_ok=True)
        self._log = work_dir / f"host-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "devhost", "--app", str(APPS / app), "--port", str(port)]
        command += ["--state", str(work_dir / "state"), "--blob-scan-seconds", "0.2", *options]
        self._output = self._log.open("w")
        self.process = subprocess.Popen(
            command,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "EFFECTS_DIR": str(self.effects), **(environ or {})},
            cwd=APPS.parents[2],
        )
        self.base = ""

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.base:
            found = _STARTED.search(self.log())
            self.base = found[1] if found else ""
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the host did not start:\n{self.log()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self._output.close()

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self._output.close()

    def exit_code(self) -> int:
        """Wait for a host that is meant to end by itself."""
        try:
            return self.process.wait(START_TIMEOUT_S)
        finally:
            self.kill()

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; ``body`` is bytes or becomes JSON. ``path`` may be a whole URL."""
        sent = dict(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        url = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(url, data=data, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers)

    # --- durable ----------------------------------------------------------------------------------------------
    def instance(self, instance_id: str, query: str = "") -> Answer:
        return self.get(f"/runtime/webhooks/durabletask/instances/{instance_id}{query}")

    def operate(self, instance_id: str, operation: str, body: Any = None) -> Answer:
        return self.post(f"/runtime/webhooks/durabletask/instances/{instance_id}/{operation}", body)

    def start(self, name: str, value: Any = None, instance_id: str = "") -> str:
        """Start an orchestration through the app's own HTTP function and return its id."""
        path = f"/api/orchestrators/{name}" + (f"/{instance_id}" if instance_id else "")
        answer = self.post(path, value)
        assert answer.status == 202, answer
        return answer.json()["id"]

    def finished(self, instance_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until an instance has ended; its status body."""

        def ended() -> dict[str, Any] | None:
            answer = self.instance(instance_id)
            return answer.json() if answer.status == 200 else None

        return eventually(ended, timeout_s)

    def status(self, instance_id: str) -> str:
        return self.instance(instance_id).json()["runtimeStatus"]
