"""Apparent gender, age, expression and mouth opening of face chips."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fanreel.domain.faces import F32

from .chips import FaceChips
from .landmarks import Landmarks, mouth_opening
from .runtime import Session, run_in_batches

EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")

VALENCE_AROUSAL = np.array(
    [[0.0, 0.0], [0.81, 0.51], [-0.63, -0.27], [-0.51, 0.59], [-0.64, 0.60], [-0.60, 0.35], [0.40, 0.67]],
    np.float32,
)
"""Pleasure and arousal of each of EXPRESSIONS, −1..1 (Russell & Mehrabian 1977, table of 151 emotion terms);
neutral is the origin. A face's valence and arousal are the mean of these under its expression probabilities."""


@dataclass(frozen=True, slots=True)
class AttributeBatch:
    """Apparent attributes, one row per face: what a face looks like, never what a person is or feels.

    female_probability  (n,) 0..1        age_years  (n,)
    expression          (n, 7) probabilities in the order of EXPRESSIONS
    valence, arousal    (n,) −1..1, from the expression
    mouth_open          (n,) inner-lip gap over inner mouth width, 0..~1
    """

    female_probability: F32
    age_years: F32
    expression: F32
    valence: F32
    arousal: F32
    mouth_open: F32

    def __len__(self) -> int:
        return len(self.female_probability)


class FaceAttributes(Protocol):
    """Measures apparent attributes."""

    def measure(self, chips: FaceChips) -> AttributeBatch:
        """Return the attributes of all chips; raises ModelFault when a network fails."""
        ...


@dataclass(frozen=True, slots=True)
class FaceApiAttributes:
    """The three 112 px networks of face-api."""

    age_gender: Session
    expressions: Session
    landmarks: Landmarks

    def measure(self, chips: FaceChips) -> AttributeBatch:
        """Return the attributes of all chips; raises ModelFault when a network fails."""
        if len(chips):
            person = run_in_batches(self.age_gender, chips.square_rgb)
            expression: F32 = run_in_batches(self.expressions, chips.square_rgb)["probabilities"]
            female, age = person["gender"][:, 1], person["age"][:, 0]
        else:
            expression = np.zeros((0, len(EXPRESSIONS)), np.float32)
            female = age = np.zeros(0, np.float32)
        feeling = expression @ VALENCE_AROUSAL
        return AttributeBatch(
            female_probability=female,
            age_years=np.clip(age, 0, 120),
            expression=expression,
            valence=feeling[:, 0],
            arousal=feeling[:, 1],
            mouth_open=mouth_opening(self.landmarks.locate(chips.square_rgb)),
        )
