"""`fanreel status`: what a running stack is doing."""

import contextlib

import typer
from azure.core.exceptions import AzureError
from rich.console import Console
from rich.table import Table

from fanreel.adapters.services import Services
from fanreel.contracts import FanDocument, MontageDocument, VideoDocument
from fanreel.errors import FanreelError
from fanreel.local.stack import StackInfo, current_stack

console = Console(highlight=False)
if not console.is_terminal:
    # Into a pipe or a file nothing is cut to a screen's width.
    console.width = 160
problems = Console(stderr=True, highlight=False, soft_wrap=True)


def status() -> None:
    """Show videos, fans and queue lengths of the stack that `fanreel up` (or a `run`) has started."""
    info = current_stack()
    if info is None:
        problems.print("fanreel status: no stack is running here; start one with `fanreel up`")
        raise typer.Exit(1)
    try:
        with contextlib.closing(Services.connect(info.settings())) as services:
            _show(info, services)
    except AzureError as error:
        # The stack was there a moment ago: it is going down, or a part of it has died.
        said = str(error).splitlines()[0]
        problems.print(f"fanreel status: the stack no longer answers: {said} (service_unreachable)", markup=False)
        raise typer.Exit(1) from error
    except FanreelError as error:
        problems.print(f"fanreel status: {error.message} ({error.code})", markup=False)
        raise typer.Exit(1) from error


def _show(info: StackInfo, services: Services) -> None:
    console.print(f"stack {info.api_url} (pid {info.pid}, since {info.started_at})")
    videos = Table("video", "event", "status", "segments", "reason", box=None)
    for video in services.documents.query(VideoDocument, "", {}):
        counts = video.counts()
        failed = f" ({counts.failed} failed)" if counts.failed else ""
        videos.add_row(
            video.name, video.event_id, video.status, f"{counts.done}/{counts.total}{failed}", video.reason or ""
        )
    montages: dict[str, list[str]] = {}
    for montage in services.documents.query(MontageDocument, "", {}):
        montages.setdefault(montage.fan_id, []).append(f"{montage.event_id}: {montage.status}")
    fans = Table("fan", "status", "selfies", "montages", "reason", box=None)
    for fan in services.documents.query(FanDocument, "", {}):
        accepted = sum(selfie.status == "accepted" for selfie in fan.selfies)
        fans.add_row(
            fan.fan_id,
            fan.status,
            f"{accepted}/{len(fan.selfies)}",
            ", ".join(montages.get(fan.fan_id, ())),
            fan.reason or "",
        )
    queues = Table("queue", "messages", box=None)
    for queue in (services.segments, services.segment_results):
        queues.add_row(queue.name, str(queue.depth()))
    for table, empty in ((videos, "no videos yet"), (fans, "no fans yet"), (queues, "")):
        console.print(table if table.row_count else empty)
