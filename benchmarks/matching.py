"""Who is who, how fast: fans × appearances of one search, from documents to decisions, on this machine, now.

The faces are made: strangers at the distances strangers have, fans with two selfies, appearances of three seconds,
some of them seen beside each other. `crowd`: nobody on screen is enrolled but five; `everybody`: all of them are,
so that every decision is weighed and written down.

    python -m benchmarks.matching
"""

import gc
import time
import tracemalloc
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fanreel.contracts import AppearanceDocument, Consent, FanDocument, SelfieRecord, Vectors
from fanreel.domain.matching import MatchPolicy, baseline_calibration, decide_matches

EVENT, VIDEO = "final", "v-1"
MEASURED = baseline_calibration()
CONTRACT = MEASURED.contract
PROTOTYPE_COSINE = 0.87
"""Gives densities and distances like those of faces: the usual density is .85."""
SELFIE_NOISE, SEEN_NOISE = 0.2, 0.3
"""Distance of a fan's selfies, and of a broadcast's templates, to the person's true direction."""

SIZES = ((100, 200), (1_000, 2_000), (10_000, 2_000))
RUNS = 3

F32 = NDArray[np.float32]


def main() -> None:
    """Measure and print."""
    table = Table(title=f"matching, documents to decisions, best of {RUNS}")
    for name in ("fans", "appearances", "on screen", "matches", "seconds CPU", "seconds wall", "peak MB"):
        table.add_column(name, justify="left" if name == "on screen" else "right")
    for fans, appearances in SIZES:
        for name, enrolled in (("crowd", 5), ("everybody", min(fans, appearances))):
            table.add_row(*measured(fans, appearances, enrolled, name))
    Console(width=100).print(table)


def measured(fans: int, appearances: int, enrolled: int, name: str) -> tuple[str, ...]:
    """Decide one made search a few times; returns the row of the table."""
    rng = np.random.default_rng(1)
    people = _strangers(rng, fans)
    gallery = [_fan(rng, index, row) for index, row in enumerate(people)]
    seen = np.concatenate([people[:enrolled], _strangers(rng, appearances - enrolled)])
    broadcast = [_appearance(rng, index, row) for index, row in enumerate(seen)]
    policy, found = MatchPolicy(), 0
    cpu: list[float] = []
    wall: list[float] = []
    for _ in range(RUNS):
        gc.collect()
        cpu_started, wall_started = time.process_time(), time.perf_counter()
        found = len(decide_matches(gallery, broadcast, policy))
        cpu.append(time.process_time() - cpu_started)
        wall.append(time.perf_counter() - wall_started)
    tracemalloc.start()  # in a run of its own: it makes everything slower
    decide_matches(gallery, broadcast, policy)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sizes = (f"{fans:,}", f"{appearances:,}", name, f"{found:,}")
    return (*sizes, f"{min(cpu):.2f}", f"{min(wall):.2f}", f"{peak / 1e6:.0f}")


def _strangers(rng: np.random.Generator, count: int) -> F32:
    """Return unit rows as near to prototypes as faces are, and as far from each other as strangers are."""
    prototypes = MEASURED.prototypes[rng.integers(len(MEASURED.prototypes), size=count)]
    noise = rng.normal(size=prototypes.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    rows = PROTOTYPE_COSINE * prototypes + np.sqrt(1 - PROTOTYPE_COSINE**2) * noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _near(rng: np.random.Generator, row: F32, distance: float) -> F32:
    noise = rng.normal(size=len(row))
    moved = row + distance * noise / np.linalg.norm(noise)
    return (moved / np.linalg.norm(moved)).astype(np.float32)


def _packed(rows: Sequence[F32]) -> Vectors:
    mean = np.mean(rows, axis=0)
    return Vectors.pack((mean / np.linalg.norm(mean))[None, :])


def _fan(rng: np.random.Generator, index: int, row: F32) -> FanDocument:
    name = f"fan-{index:05d}"
    selfies = [_near(rng, row, SELFIE_NOISE) for _ in range(2)]
    records = tuple(
        SelfieRecord(
            blob_name=f"{name}/{number}.jpg",
            blob_etag="1",
            status="accepted",
            quality=0.8,
            template=_packed([selfie]),
            female_probability=0.5,
            age_years=30.0,
        )
        for number, selfie in enumerate(selfies)
    )
    return FanDocument(
        id=name,
        fan_id=name,
        event_ids=(EVENT,),
        consent=Consent(given=True, text_version="1", given_at="2026-01-01T00:00:00Z"),
        status="ready",
        selfies=records,
        template=_packed(selfies),
        cohesion=float(np.linalg.norm(np.mean(selfies, axis=0))),
        model_contract=CONTRACT,
    )


def _appearance(rng: np.random.Generator, index: int, row: F32) -> AppearanceDocument:
    """Seven people side by side at any time."""
    start_ms, left = 500 * index, 180 * (index % 7)
    pts = tuple(range(start_ms, start_ms + 3_000, 200))
    return AppearanceDocument(
        id=f"{VIDEO}-a{index:05d}",
        video_id=VIDEO,
        event_id=EVENT,
        start_ms=start_ms,
        end_ms=start_ms + 3_000,
        shot_index=index // 6,
        pts_ms=pts,
        boxes=((left, 100, left + 90, 220),) * len(pts),
        supporting_faces=5,
        quality=0.9,
        face_height_px=120.0,
        sharpness=0.9,
        spread=float(rng.uniform(0.1, 0.35)),
        template=Vectors.pack(_near(rng, row, SEEN_NOISE)[None, :], "float16"),
        model_contract=CONTRACT,
        female_probability=0.5,
        age_years=30.0,
    )


if __name__ == "__main__":
    main()
