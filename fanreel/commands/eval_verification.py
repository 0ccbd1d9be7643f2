"""`fanreel eval verification`: how well faces of one person are told from faces of two."""

import json
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fanreel.domain.matching import Calibration, baseline_calibration
from fanreel.errors import FanreelError, InputRejected
from fanreel.evaluation.det import det_svg
from fanreel.evaluation.labelled import Embedded, embed, person_of, photographs
from fanreel.evaluation.pooling import pooled_verification
from fanreel.evaluation.verification import (
    Accuracy,
    Verification,
    accuracy,
    all_pairs,
    missed_pairs,
    read_pairs,
    verification,
)
from fanreel.inference.networks import load_networks
from fanreel.settings import get_settings

POOL_SIZES = (3, 5)
LEAST_DRAWN = 100
"""Fewer genuine pairs make no curve."""
WIDTH = 140
PAIRS_FILE = "pairs.txt"


def verification_command(
    images: Annotated[
        Path, typer.Option("--images", help="Folder or zip of Person/Person_0001.jpg …", show_default=False)
    ],
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            help="Pairs in LFW's format; without it, pairs.txt among the images.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the numbers, as JSON.")] = None,
    det: Annotated[Path | None, typer.Option("--det", help="Where to draw the DET curves, as SVG.")] = None,
) -> None:
    """Compare labelled faces: accuracy, AUC, TAR at FMR 1e-2 … 1e-6, thresholds, failures to detect.

    By the product's distance (`adjusted`: relative to strangers nearby), and by the templates as they are. People
    of whom the adjustment was made are left out of the rows that judge it.
    """
    console = Console(width=WIDTH)
    try:
        listed = read_pairs(_pairs_text(pairs, images))
        networks = load_networks(get_settings())
        faces = embed(networks, photographs(images))
        calibration = baseline_calibration()
        calibration.check(networks.model_contract)
        scores = score_all(faces, calibration)
        listed_score = accuracy(listed, faces.name, faces.rows)
        document = as_document(faces, scores, listed_score)
        document |= {"detector": networks.detector.name, "modelContract": networks.model_contract.to_wire()}
        if out is not None:
            out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        if det is not None:
            drawn = {name: one.det for name, one in scores.items() if one.genuine >= LEAST_DRAWN}
            det.write_text(det_svg(drawn, f"DET, {images.name}"), "utf-8")
    except (FanreelError, OSError) as error:
        Console(stderr=True).print(f"[red]{error}[/]", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    console.print(accuracy_line(faces, listed_score), highlight=False, soft_wrap=True)
    console.print(rates_table(scores))


def score_all(faces: Embedded, calibration: Calibration) -> dict[str, Verification]:
    """Score single photographs and pools of several; adjusted ones on people who are in no prototype only."""
    unseen = faces.of("calibration", "judged")
    scores = {
        "one photograph, as it is": score(faces),
        "… people in no prototype": score(unseen),
        "… adjusted": score(unseen, calibration),
    }
    for size in POOL_SIZES:
        for name, measured in (("as they are", None), ("adjusted", calibration)):
            pooled = pooled_verification(unseen, size, measured)
            if pooled is not None:
                scores[f"{size} × {size} pooled, {name}"] = pooled
    return scores


def score(faces: Embedded, calibration: Calibration | None = None) -> Verification:
    """Score all pairs of a collection; genuine pairs with its missed photographs count as never accepted."""
    one, other = faces.rows, faces.rows
    if calibration is not None:
        one, other = calibration.gallery_rows(one), calibration.probe_rows(other)
    genuine, impostor = all_pairs(one, other, faces.person)
    lost = missed_pairs(faces.person, [person_of(name) for name in faces.missed])
    return verification(genuine, impostor, missed_genuine=lost)


def as_document(faces: Embedded, scores: dict[str, Verification], listed: Accuracy) -> dict[str, Any]:
    """Return the numbers as JSON values."""
    return {
        "photographs": len(faces.rows),
        "people": len(set(faces.person.tolist())),
        "failedToDetect": list(faces.missed),
        "listedPairs": {
            "pairs": listed.pairs,
            "accuracy": round(listed.accuracy, 4),
            "deviation": round(listed.deviation, 4),
            "distance": round(listed.distance, 4),
            "missed": listed.missed,
        },
        "comparisons": {name: _scores(one) for name, one in scores.items()},
    }


def accuracy_line(faces: Embedded, listed: Accuracy) -> str:
    """Say in a line what was listed and what was not found."""
    return (
        f"{len(faces.rows)} photographs, {len(faces.missed)} without a detected face; "
        f"listed pairs {listed.pairs}: accuracy {listed.accuracy:.4f} ± {listed.deviation:.4f} "
        f"at distance {listed.distance:.3f}"
    )


def rates_table(scores: dict[str, Verification]) -> Table:
    """Print TAR (and the distance) per rate."""
    rates = [rate.fmr for rate in max(scores.values(), key=lambda s: len(s.rates)).rates]
    table = Table(title="TAR at FMR (distance)")
    for name in ("comparison", "genuine", "impostor", "AUC", "EER", *(f"{rate:.0e}" for rate in rates)):
        table.add_column(name, justify="left" if name == "comparison" else "right")
    for name, one in scores.items():
        by_rate = {rate.fmr: f"{rate.tar:.3f} ({rate.distance:.3f})" for rate in one.rates}
        cells = [by_rate.get(rate, "–") for rate in rates]
        table.add_row(name, f"{one.genuine:,}", f"{one.impostor:,}", f"{one.auc:.5f}", f"{one.eer:.4f}", *cells)
    return table


def _scores(one: Verification) -> dict[str, Any]:
    return {
        "genuine": one.genuine,
        "impostor": one.impostor,
        "auc": round(one.auc, 6),
        "eer": round(one.eer, 5),
        "rates": [
            {"fmr": rate.fmr, "tar": round(rate.tar, 4), "distance": round(rate.distance, 4)} for rate in one.rates
        ],
    }


def _pairs_text(pairs: Path | None, images: Path) -> str:
    try:
        if pairs is not None or images.is_dir():
            return (pairs or images / PAIRS_FILE).read_text("utf-8")
        with zipfile.ZipFile(images) as archive:
            return archive.read(PAIRS_FILE).decode("utf-8")
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise InputRejected(
            "pairs_unreadable", f"{pairs or images}: no list of pairs that can be read as text; give --pairs."
        ) from error
