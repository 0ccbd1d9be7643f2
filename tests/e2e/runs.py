"""Running the command as a person does, and reading what it leaves."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_LIMIT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One finished `fanreel run`."""

    exit_code: int
    output: str
    out: Path

    @property
    def report(self) -> dict[str, Any]:
        """The report it wrote."""
        return dict(json.loads((self.out / "report.json").read_text("utf-8")))

    def fan(self, fan_id: str) -> dict[str, Any]:
        """One fan of the report."""
        return next(dict(fan) for fan in self.report["fans"] if fan["fanId"] == fan_id)


def fanreel_run(*videos: Path, fans: Path, out: Path, env: dict[str, str] | None = None) -> FinishedRun:
    """Run `fanreel run` with a stack of its own."""
    command = [
        sys.executable,
        "-m",
        "fanreel.cli",
        "run",
        *map(str, videos),
        "--fans",
        str(fans),
        "--out",
        str(out),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_LIMIT_SECONDS,
        check=False,
    )
    return FinishedRun(done.returncode, done.stdout, out)
