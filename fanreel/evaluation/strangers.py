"""Fans who are not there: labelled people enrolled, to see whom a search takes for somebody on screen."""

import hashlib

import numpy as np

from fanreel.contracts import Consent, FanDocument, ModelContract, SelfieRecord, Vectors
from fanreel.domain.enrolment import Strangers, with_selfie

from .labelled import Embedded

CONSENT = Consent(given=True, text_version="evaluation", given_at="2026-01-01T00:00:00Z")
PREFIX = "stranger-"


def stranger_fans(
    faces: Embedded, count: int, event_id: str, contract: ModelContract, calibration: Strangers
) -> list[FanDocument]:
    """Enrol `count` people, each from all their photographs, through the product's own pooling.

    The selfie checks are left out: poorer selfies than the product accepts make the harder test. People are taken
    by a hash of their name, so 100 are among the 2,000.
    """
    people = sorted(set(faces.person.tolist()), key=lambda name: hashlib.sha256(name.encode()).digest())
    return [_enrolled(faces, str(name), event_id, contract, calibration) for name in people[:count]]


def _enrolled(
    faces: Embedded, person: str, event_id: str, contract: ModelContract, calibration: Strangers
) -> FanDocument:
    fan_id = f"{PREFIX}{person}"
    fan = FanDocument(id=fan_id, fan_id=fan_id, event_ids=(event_id,), consent=CONSENT)
    for row in np.flatnonzero(faces.person == person):
        record = SelfieRecord(
            blob_name=str(faces.name[row]),
            blob_etag="1",
            status="accepted",
            quality=float(faces.quality[row]),
            face_height_px=float(faces.height_px[row]),
            template=Vectors.pack(faces.rows[row][None, :]),
            female_probability=float(faces.female_probability[row]),
            age_years=float(faces.age_years[row]),
        )
        fan = with_selfie(fan, record, contract, calibration)
    return fan
