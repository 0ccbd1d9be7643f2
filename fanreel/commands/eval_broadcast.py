"""`fanreel eval broadcast`: who is recognised in a video, with strangers enrolled beside the fans."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import EVENT_ID, analyze_video
from fanreel.contracts import AppearanceDocument, FanDocument
from fanreel.domain.enrolment import with_selfie
from fanreel.domain.matching import Calibration, MatchPolicy, baseline_calibration, decide_matches
from fanreel.errors import FanreelError, InputRejected
from fanreel.evaluation.appearances import (
    NOBODY,
    FanScore,
    Total,
    Truth,
    read_places,
    read_truth,
    score_fan,
    total,
)
from fanreel.evaluation.labelled import Embedded, embed, photographs
from fanreel.evaluation.strangers import CONSENT, stranger_fans
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.selfies import measure_selfie
from fanreel.settings import get_settings

STRANGER_COUNTS = (100, 2_000)


def broadcast(
    video: Annotated[Path, typer.Argument(help="The video to look at.", show_default=False)],
    fans: Annotated[
        Path | None, typer.Option("--fans", help="One folder of selfies per fan.", show_default=False)
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth", help="Who is really seen when. Without it, nobody enrolled is.", show_default=False
        ),
    ] = None,
    places: Annotated[
        Path | None,
        typer.Option("--places", help="Where in the picture fans are, if that is known.", show_default=False),
    ] = None,
    strangers: Annotated[
        Path | None,
        typer.Option(
            "--strangers",
            help="Folder or zip of labelled faces: people enrolled who are not there.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the numbers, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Search a video and count right and wrong appearances per fan, with 0, 100 and 2,000 strangers enrolled.

    Frames and faces go through the very code the worker and the activities run; only the servers are left out.
    Ends with 1 when anybody is matched who is not there.
    """
    console = Console(width=100)
    try:
        known = NOBODY if truth is None else read_truth(truth)
        if places is not None:
            known = replace(known, places=read_places(places))
        networks = load_networks(get_settings())
        calibration = baseline_calibration()
        gallery = [] if fans is None else enrolled_fans(fans, networks, calibration)
        beside = None if strangers is None else embed(networks, photographs(strangers))
        analysis = analyze_video(FileSource(video), networks, get_settings(), console=Console(stderr=True))
        assert analysis.merged is not None
        document = evaluate(
            console, video.name, gallery, beside, analysis.merged.appearances, known, networks, calibration
        )
        if out is not None:
            out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    except (FanreelError, OSError) as error:
        Console(stderr=True).print(f"[red]{error}[/]", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    if any(search["total"]["wrong"] for search in document["searches"]):
        raise typer.Exit(1)


def evaluate(
    console: Console,
    name: str,
    gallery: list[FanDocument],
    strangers: Embedded | None,
    appearances: tuple[AppearanceDocument, ...],
    truth: Truth,
    networks: Networks,
    calibration: Calibration,
) -> dict[str, Any]:
    """Search with every number of strangers, print the tables, and return the numbers."""
    recognisable = sum(one.template is not None for one in appearances)
    seen = {one.id: one for one in appearances}
    searches: list[dict[str, Any]] = []
    for who, beside in _beside(strangers, networks, calibration):
        policy = MatchPolicy(target_false_matches=get_settings().target_false_matches)
        matches = decide_matches([*gallery, *beside], appearances, policy, calibration=calibration)
        own = [score_fan(fan.fan_id, matches, truth, seen) for fan in gallery]
        others = [score_fan(fan.fan_id, matches, truth, seen) for fan in beside]
        everybody = total([*own, *others], recognisable)
        console.print(_fan_table(f"{name}, {len(beside)} strangers enrolled{who}", own, others))
        console.print(_line(everybody), highlight=False, soft_wrap=True)
        searches.append(
            {
                "strangers": len(beside),
                "who": who.strip(", ") or None,
                "strangersMatched": sum(one.wrong + one.right > 0 for one in others),
                "strangersInReview": sum(one.review_wrong + one.review_right > 0 for one in others),
                "total": asdict(everybody),
                "fans": [asdict(one) for one in own],
            }
        )
    return {"video": name, "recognisable": recognisable, "searches": searches}


def _beside(
    strangers: Embedded | None, networks: Networks, calibration: Calibration
) -> Iterator[tuple[str, list[FanDocument]]]:
    """Yield who else is enrolled: nobody, some, many, and all of whom nothing was made or fitted."""
    yield "", []
    if strangers is None:
        return
    for count in STRANGER_COUNTS:
        yield "", stranger_fans(strangers, count, EVENT_ID, networks.model_contract, calibration)
    unseen = strangers.of("judged")
    many = len(unseen.rows)
    yield (
        ", of whom nothing was made or fitted",
        stranger_fans(unseen, many, EVENT_ID, networks.model_contract, calibration),
    )


def enrolled_fans(folder: Path, networks: Networks, calibration: Calibration) -> list[FanDocument]:
    """Enrol every folder of selfies as a fan; raises InputRejected `fans_missing`."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not folders:
        raise InputRejected("fans_missing", f"{folder}: expected a folder of selfies per fan.")
    return [enrolled_fan(path, networks, calibration) for path in folders]


def enrolled_fan(folder: Path, networks: Networks, calibration: Calibration) -> FanDocument:
    """Enrol a fan from a folder of selfies."""
    fan = FanDocument(id=folder.name, fan_id=folder.name, event_ids=(EVENT_ID,), consent=CONSENT)
    for path in sorted(file for file in folder.iterdir() if file.is_file()):
        record = measure_selfie(path.read_bytes(), networks, blob_name=path.name, blob_etag="1")
        fan = with_selfie(fan, record, networks.model_contract, calibration)
    return fan


def _fan_table(title: str, own: list[FanScore], strangers: list[FanScore]) -> Table:
    table = Table(title=title)
    for column in ("fan", "on screen", "found", "right", "wrong", "review right", "review wrong", "to threshold"):
        table.add_column(column, justify="left" if column == "fan" else "right")
    for one in own:
        nearest = "–" if one.nearest is None else f"{one.nearest:+.3f}"
        counts = (one.on_screen, one.found, one.right, one.wrong, one.review_right, one.review_wrong)
        table.add_row(one.fan_id, *map(str, counts), nearest)
    if strangers:
        sums = [sum(getattr(one, name) for one in strangers) for name in ("right", "wrong")]
        asked = sum(one.review_right + one.review_wrong for one in strangers)
        table.add_row("strangers", "0", "0", *map(str, sums), "0", str(asked), "–")
    return table


def _line(all_fans: Total) -> str:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return (
        f"precision {share(all_fans.precision)} · recall of appearances {share(all_fans.recall)} · people "
        f"{all_fans.people_found} of {all_fans.people_on_screen} · reviews {all_fans.reviews} "
        f"({all_fans.reviews_wrong} wrong), {share(all_fans.review_rate)} of the recognisable appearances"
    )
