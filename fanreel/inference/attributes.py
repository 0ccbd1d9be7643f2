"""Apparent gender, age, expression and mouth opening of face chips."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fanreel.domain.attributes import EXPRESSIONS, AttributeCalibration, baseline_attributes, valence_arousal
from fanreel.domain.faces import F32

from .catalogue import catalogue
from .chips import CONTEXT_ENLARGE, FaceChips
from .landmarks import Landmarks, mouth_opening
from .runtime import Session, run_in_batches

EMOTION_SIDE_PX = 64
EMOTION_COLUMNS = (6, 3, 4, 0, 2, 1, 5)
"""Where EXPRESSIONS stand among the answers of `emotion` (angry, disgust, fear, happy, sad, surprise, neutral)."""

CALIBRATED = ("face_expression", "emotion", "age_gender", "face_context")
"""The networks whose answers are joined, by catalogue id."""


@dataclass(frozen=True, slots=True)
class ExpressionBatch:
    """One row per face.

    expression       (n, 7) calibrated probabilities in the order of EXPRESSIONS
    valence, arousal (n,) −1..1, from the expression
    mouth_open       (n,) inner-lip gap over inner mouth width, 0..~1
    """

    expression: F32
    valence: F32
    arousal: F32
    mouth_open: F32

    def __len__(self) -> int:
        return len(self.expression)


@dataclass(frozen=True, slots=True)
class PersonBatch:
    """One row per face: calibrated female_probability (n,) 0..1, age_years (n,)."""

    female_probability: F32
    age_years: F32


@dataclass(frozen=True, slots=True)
class AttributeBatch:
    """The columns of both batches: what a face looks like, never what a person is or feels."""

    female_probability: F32
    age_years: F32
    expression: F32
    valence: F32
    arousal: F32
    mouth_open: F32

    def __len__(self) -> int:
        return len(self.expression)


class FaceAttributes(Protocol):
    """Measures apparent attributes. Every method raises ModelFault when a network fails."""

    def measure(self, chips: FaceChips) -> AttributeBatch:
        """Return everything, of faces that are not embedded at the same time."""
        ...

    def expressions(self, chips: FaceChips) -> ExpressionBatch:
        """Return what changes from moment to moment."""
        ...

    def people(self, chips: FaceChips, context_female: F32) -> PersonBatch:
        """Return what stays, given what the embedder saw on the side (`Described.context_female`)."""
        ...


@dataclass(frozen=True, slots=True)
class FaceApiAttributes:
    """Two expression networks, two gender networks, one for age, and landmarks.

    `context` is the second recogniser, which tells gender too. Its ages are not used: they are 7.4 years off on
    UTKFace, those of `age_gender` 4.8.
    """

    age_gender: Session
    face_expression: Session
    emotion: Session
    context: Session
    landmarks: Landmarks
    calibration: AttributeCalibration

    def measure(self, chips: FaceChips) -> AttributeBatch:
        """Return everything, of faces that are not embedded at the same time."""
        seen, who = self.expressions(chips), self.people(chips, context_female(self.context, chips))
        return AttributeBatch(
            female_probability=who.female_probability,
            age_years=who.age_years,
            expression=seen.expression,
            valence=seen.valence,
            arousal=seen.arousal,
            mouth_open=seen.mouth_open,
        )

    def expressions(self, chips: FaceChips) -> ExpressionBatch:
        """Return what changes from moment to moment."""
        expression = self.calibration.expressions(*self.raw_expressions(chips))
        feeling = valence_arousal(expression)
        mouth = mouth_opening(self.landmarks.locate(chips.square_rgb))
        return ExpressionBatch(expression, feeling[:, 0], feeling[:, 1], mouth)

    def people(self, chips: FaceChips, context_female: F32) -> PersonBatch:
        """Return what stays, given what the embedder saw on the side."""
        female, age = self.raw_people(chips)
        return PersonBatch(self.calibration.female_probability(female, context_female), age)

    def raw_expressions(self, chips: FaceChips) -> tuple[F32, F32]:
        """Return both networks' own probabilities, (n, 7) in the order of EXPRESSIONS."""
        if not len(chips):
            none = np.zeros((0, len(EXPRESSIONS)), np.float32)
            return none, none
        first: F32 = run_in_batches(self.face_expression, chips.square_rgb)["probabilities"]
        second: F32 = run_in_batches(self.emotion, grey_squares(chips.context_bgr))["probabilities"]
        return first, second[:, EMOTION_COLUMNS]

    def raw_people(self, chips: FaceChips) -> tuple[F32, F32]:
        """Return age_gender's own probability of a woman and its age in years, (n,) each."""
        if not len(chips):
            return np.zeros(0, np.float32), np.zeros(0, np.float32)
        person = run_in_batches(self.age_gender, chips.square_rgb)
        return person["gender"][:, 1], np.clip(person["age"][:, 0], 0, 120)


def baseline_face_attributes(network: Callable[[str], Session], landmarks: Landmarks) -> FaceApiAttributes:
    """Open the baseline pack's networks by catalogue id.

    Raises ContractBroken `calibration_missing` when the catalogue names other files than were calibrated.
    """
    calibration = baseline_attributes()
    calibration.check({name: catalogue().entry(name).sha256 for name in CALIBRATED})
    return FaceApiAttributes(
        age_gender=network("age_gender"),
        face_expression=network("face_expression"),
        emotion=network("emotion"),
        context=network("face_context"),
        landmarks=landmarks,
        calibration=calibration,
    )


def context_female(context: Session, chips: FaceChips) -> F32:
    """Return the second recogniser's probability of a woman, (n,), averaged over the face and its mirror image."""
    if not len(chips):
        return np.zeros(0, np.float32)
    both = np.concatenate([chips.context_bgr, chips.context_bgr[:, :, ::-1]])
    return female_of(run_in_batches(context, both)["gender"])


def female_of(gender: F32) -> F32:
    """Return (n,) from the context network's answers (2n, 1) for n faces and their mirror images: 1 means male."""
    return np.asarray(1 - gender.reshape(2, -1).mean(axis=0), np.float32)


def grey_squares(context_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the box's own square of each context chip as grey (n, 64, 64, 1)."""
    side = context_bgr.shape[1]
    margin = round(side * (1 - 1 / CONTEXT_ENLARGE) / 2)
    out = np.empty((len(context_bgr), EMOTION_SIDE_PX, EMOTION_SIDE_PX, 1), np.uint8)
    for row, chip in enumerate(context_bgr[:, margin : side - margin, margin : side - margin]):
        small = cv2.resize(chip, (EMOTION_SIDE_PX, EMOTION_SIDE_PX), interpolation=cv2.INTER_AREA)
        out[row, :, :, 0] = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return out
