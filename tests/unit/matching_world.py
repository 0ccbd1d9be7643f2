"""A small world of made templates: strangers at a usual distance, and faces at a chosen distance from a fan."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fanreel.contracts import AppearanceDocument, Consent, FanDocument, SelfieRecord, Vectors
from fanreel.domain.matching import Calibration, baseline_calibration
from fanreel.domain.matching.calibration import Knots

EVENT = "final"
VIDEO = "v-1"
CONTRACT = baseline_calibration().contract
CONSENT = Consent(given=True, text_version="1", given_at="2026-05-01T10:00:00Z")
DIMENSION = 64
STRANGER_COSINE = 0.68
"""Unrelated people of the labelled collection lie at .80 on average: distance √(2 − 2·.68)."""


WORLD = Calibration(
    contract=CONTRACT,
    prototypes=np.zeros((0, DIMENSION), np.float32),
    usual_density=0.0,
    least_density=0.0,
    edges=np.zeros(1),
    bins=(
        Knots(
            cohesion=np.array([0.8962, 0.9171, 0.9578, 1.0]),
            genuine_mean=np.array([0.313, 0.3636, 0.4773, 0.5437]),
            genuine_std=np.full(4, 0.09),
            impostor_mean=np.array([0.7298, 0.74, 0.7808, 0.8749]),
            impostor_std=np.array([0.079, 0.0709, 0.066, 0.0812]),
        ),
    ),
)
"""What distances mean here: made templates have no look-alikes among real people, so nothing is adjusted, and a
refit of the shipped calibration changes no distance of these tests. Use the fixture `made_templates`."""


def axis(index: int) -> NDArray[np.float32]:
    row = np.zeros(DIMENSION, np.float32)
    row[index] = 1.0
    return row


def person(index: int) -> NDArray[np.float32]:
    """The template of person 0…29: all share what faces have in common."""
    return np.sqrt(STRANGER_COSINE) * axis(0) + np.sqrt(1 - STRANGER_COSINE) * axis(1 + index)


def seen_at(template: NDArray[np.float32], distance: float, noise: int = 0) -> NDArray[np.float32]:
    """A unit row at this distance from the template, in a direction nobody else has (noise 0…29)."""
    cosine = 1 - distance**2 / 2
    return (cosine * template + np.sqrt(max(1 - cosine**2, 0)) * axis(32 + noise)).astype(np.float32)


def fan(name: str, row: NDArray[np.float32], **changes: Any) -> FanDocument:
    base = FanDocument(
        id=name,
        fan_id=name,
        event_ids=(EVENT,),
        consent=CONSENT,
        status="ready",
        template=Vectors.pack(row[None, :]),
        model_contract=CONTRACT,
    )
    return base.model_copy(update=changes)


def with_attributes(one: FanDocument, female_probability: float, age_years: float) -> FanDocument:
    """Give the fan one selfie, equal to the template, with these apparent attributes."""
    record = SelfieRecord(
        blob_name=f"{one.fan_id}/1.jpg",
        blob_etag="1",
        status="accepted",
        quality=0.9,
        template=one.template,
        female_probability=female_probability,
        age_years=age_years,
    )
    return one.model_copy(update={"selfies": (record,)})


def appearance(
    name: str, row: NDArray[np.float32] | None, *, start_ms: int = 0, left: int = 0, **changes: Any
) -> AppearanceDocument:
    """Three samples of a good, large face; `left` is where it stands."""
    pts = (start_ms, start_ms + 200, start_ms + 400)
    base = AppearanceDocument(
        id=name,
        video_id=VIDEO,
        event_id=EVENT,
        start_ms=start_ms,
        end_ms=start_ms + 400,
        shot_index=0,
        pts_ms=pts,
        boxes=((left, 100, left + 150, 300),) * 3,
        supporting_faces=5,
        quality=0.9,
        face_height_px=200.0,
        sharpness=0.95,
        spread=0.0,
        template=None if row is None else Vectors.pack(row[None, :]),
        model_contract=None if row is None else CONTRACT,
        female_probability=0.5,
        age_years=30.0,
    )
    return base.model_copy(update=changes)


def crowd(count: int, first_ms: int = 60_000) -> Sequence[AppearanceDocument]:
    """Appearances of people who are not enrolled, one after another."""
    rng = np.random.default_rng(7)
    rows: list[AppearanceDocument] = []
    for index in range(count):
        noise = rng.normal(size=DIMENSION).astype(np.float32)
        noise[0] = 0
        row = np.sqrt(STRANGER_COSINE) * axis(0) + np.sqrt(1 - STRANGER_COSINE) * noise / np.linalg.norm(noise)
        rows.append(appearance(f"crowd-{index:04d}", row, start_ms=first_ms + 1_000 * index))
    return rows
