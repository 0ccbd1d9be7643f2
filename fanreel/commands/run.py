"""`fanreel run`: the main job, from broadcasts and selfies to one montage per fan and a report."""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Annotated

import typer
from azure.core.exceptions import AzureError
from rich.console import Console

from fanreel.adapters.services import Services
from fanreel.commands.detector import fallback_note
from fanreel.errors import FanreelError, InputRejected, TransientFault
from fanreel.local.api import Api
from fanreel.local.inputs import Inputs, read_inputs
from fanreel.local.job import Job
from fanreel.local.processes import tail
from fanreel.local.progress import ProgressView, VideoClock
from fanreel.local.stack import LocalStack, StackInfo, current_stack
from fanreel.report import Report, RunDocuments, build_report, render_page
from fanreel.settings import get_settings

INTERRUPTED = 130
"""128 + SIGINT, what shells expect."""
LOG_LINES = 15

out_console = Console(highlight=False, soft_wrap=True)
problems = Console(stderr=True, highlight=False, soft_wrap=True)


def run(
    videos: Annotated[list[Path], typer.Argument(help="Broadcasts.", metavar="VIDEO…")],
    fans: Annotated[Path, typer.Option(help="Directory with one folder of selfies per fan.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Where montages and reports go.", metavar="DIR")],
    event: Annotated[str, typer.Option(help="Event the broadcasts belong to.", metavar="NAME")] = "match",
    profile: Annotated[
        str, typer.Option(help="Profile of the sport or broadcaster (`default` when left out).", metavar="NAME")
    ] = "",
    title: Annotated[str, typer.Option(help="What the event is called on title cards.", metavar="TEXT")] = "",
    subtitle: Annotated[str, typer.Option(help="The line below it: date, place.", metavar="TEXT")] = "",
) -> None:
    """Make one montage per fan who appears in the broadcasts.

    Uses the stack that `fanreel up` runs, or starts its own. By running it you state that everyone in the selfies
    has agreed to be looked for. Ends with 0 only when everything asked for is done.
    """
    try:
        inputs = read_inputs(videos, fans, event, {"profile": profile, "title": title, "subtitle": subtitle})
        _check_out(out)
    except InputRejected as error:
        problems.print(f"fanreel run: {error.message}", markup=False)
        raise typer.Exit(2) from error
    for note in inputs.notes:
        out_console.print(note, markup=False)
    started = time.monotonic()
    try:
        note = fallback_note(get_settings())
        if note:
            out_console.print(note, markup=False)
        with _stack() as (info, check), _explained(info):
            failures = _do(inputs, info, check, out, started)
    except FanreelError as error:
        problems.print(f"fanreel run: {error.message} ({error.code})", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as interrupt:
        problems.print("fanreel run: interrupted")
        raise typer.Exit(INTERRUPTED) from interrupt
    for failure in failures:
        problems.print(failure, markup=False)
    if failures:
        raise typer.Exit(1)


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputRejected("not_a_directory", f"--out {out}: is a file, not a directory")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputRejected("out_unwritable", f"--out {out}: cannot be made ({error.strerror})") from error


@contextlib.contextmanager
def _stack() -> Generator[tuple[StackInfo, Callable[[], None]]]:
    """Give a running stack and a function that raises when a part of it has died."""
    running = current_stack()
    if running is not None and running.shared:
        out_console.print(f"using the running stack at {running.api_url}")
        yield running, lambda: None
        return
    out_console.print("starting Azurite, the Cosmos emulator, the Functions host and a worker …")
    with terminated_as_interrupt(), LocalStack(port=0) as stack:
        out_console.print(f"stack at {stack.info.api_url}, logs in {stack.directory}", markup=False)
        yield stack.info, stack.check


@contextlib.contextmanager
def _explained(info: StackInfo) -> Generator[None]:
    """Show the end of the logs when the run itself fails, and turn the SDKs' errors into ours."""
    try:
        yield
    except (FanreelError, AzureError) as error:
        for name in ("host", "worker"):
            problems.print(f"--- end of {info.log(name)}\n{tail(info.log(name), LOG_LINES)}", markup=False)
        if isinstance(error, AzureError):
            raise TransientFault("service_unreachable", str(error).splitlines()[0]) from error
        raise


@contextlib.contextmanager
def terminated_as_interrupt() -> Generator[None]:
    """Let SIGTERM stop us as Ctrl-C does, so that what we started is stopped too."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _do(inputs: Inputs, info: StackInfo, check: Callable[[], None], out: Path, started: float) -> list[str]:
    """Run the job, write the results and return one line per thing that was asked for and is not done."""
    with contextlib.closing(Services.connect(info.settings())) as services:
        job = Job(inputs, services, Api(info.api_url))
        ready = time.monotonic()
        job.upload(lambda line: out_console.print(line, markup=False))
        uploaded = time.monotonic()
        with ProgressView(inputs, out_console) as view:
            job.wait(view.show, check)
        finished = time.monotonic()
        results = job.download(out)
        failed_montages = job.failed_montages()
    timings = {"stackSeconds": ready - started, "uploadSeconds": uploaded - ready}
    timings |= {"workSeconds": finished - uploaded, "totalSeconds": time.monotonic() - started}
    timings |= _speeds(results, job.uploaded, view.clock, finished - uploaded)
    report = build_report(results, timings, out)
    (out / "report.json").write_text(json.dumps(report.to_wire(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    (out / "report.html").write_text(render_page(report, results, inputs.event), "utf-8")
    _tell(report, out)
    return failures(inputs, results, failed_montages)


def _speeds(results: RunDocuments, uploaded: set[str], clock: VideoClock, work_seconds: float) -> dict[str, float]:
    """Seconds per stage summed over videos, analysis time, and the speed of it all as × real time.

    Only what this run brought in counts for the speed: what had been analysed before took no time now.
    """
    timings: dict[str, float] = {}
    analysis = [clock.analysis_seconds(video.video_id) for video in results.videos]
    if any(analysis):
        timings["analysisSeconds"] = max(seconds for seconds in analysis if seconds is not None)
    length = sum(video.duration_ms for video in results.videos if video.video_id in uploaded) / 1000
    if length and work_seconds:
        timings["speedTimesRealTime"] = length / work_seconds
    for video in results.videos:
        for stage, seconds in video.seconds.items():
            name = f"stage.{stage}"
            timings[name] = timings.get(name, 0.0) + seconds
    return timings


def _tell(report: Report, out: Path) -> None:
    for fan in report.fans:
        if fan.montage:
            text = f"{fan.fan_id}: {out / fan.montage.path} ({fan.montage.duration_ms / 1000:.1f} s, "
            text += f"{len(fan.montage.clips)} clips)"
        else:
            text = f"{fan.fan_id}: no montage ({fan.reason or 'not seen'})"
        out_console.print(text, markup=False)
    speed = report.timings.get("speedTimesRealTime")
    total = f"done in {report.timings['totalSeconds']:.1f} s"
    out_console.print(total + (f", {speed:.2f}× real time" if speed else "") + f"; report: {out / 'report.html'}")


def failures(inputs: Inputs, results: RunDocuments, failed_montages: dict[str, str]) -> list[str]:
    """Return one line per thing that was asked for and is not done; `failed_montages`: reason by fan id."""
    lines: list[str] = []
    for video in results.videos:
        if video.status != "ready":
            detail = f" – {video.reason_detail}" if video.reason_detail else ""
            lines.append(f"{video.name}: {video.status} ({video.reason or 'unknown'}){detail}")
    known = {fan.fan_id: fan for fan in results.fans}
    for fan in inputs.fans:
        document = known.get(fan.fan_id)
        if document is None:
            lines.append(f"{fan.fan_id}: the fan is not in the database")
            continue
        if document.search_reason is not None:
            lines.append(f"{fan.fan_id}: not looked for everywhere ({document.search_reason}); run again")
        given = {f"{fan.fan_id}/{name}" for name, _ in fan.selfies}
        for selfie in document.selfies:
            if selfie.status == "rejected" and selfie.blob_name in given:
                hint = f" – {selfie.hint}" if selfie.hint else ""
                lines.append(f"{selfie.blob_name}: rejected ({selfie.reason}){hint}")
    lines += [f"{fan_id}: montage failed ({reason})" for fan_id, reason in failed_montages.items()]
    return lines
