"""Reads a line of text that the broadcaster draws: a score, a clock, a name.

The network is PaddleOCR's line recogniser (PP-OCRv6 small, in pack `pro`). Where text stands is not searched for:
the profile names the regions. The output is decoded greedily by connectionist temporal classification (Graves et
al., "Connectionist Temporal Classification", ICML 2006): the likeliest character of every column, repeats joined,
blanks dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fanreel.domain.faces import F32, Bgr
from fanreel.errors import ModelFault
from fanreel.settings import Settings

from .catalogue import catalogue
from .runtime import RuntimeOptions, Session, open_network

READER = "text_reader"
LINE_HEIGHT_PX = 48
MIN_WIDTH_PX, MAX_WIDTH_PX = 16, 1200
"""A line of 25 heights is longer than any score bug; the network's cost grows with the width."""
CHARACTERS = "character"
"""Name of the network's own list of characters, one a line, in its metadata."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a region says; confidence 0..1, the mean probability of its characters."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class TextReader:
    """A loaded line recogniser. `characters` by class number: the first is the blank, the last the space."""

    session: Session
    characters: tuple[str, ...]

    def read(self, line: Bgr) -> Line:
        """Return the text of a picture of one line; empty when there is none.

        Raises ModelFault `inference_failed` when the network knows another number of characters.
        """
        if min(line.shape[:2]) < 1:
            return Line("", 0.0)
        (answer,) = self.session.run({"x": _input(line)}).values()
        if answer.ndim != 3 or answer.shape[2] != len(self.characters):
            raise ModelFault("inference_failed", f"{READER}: answers {answer.shape}.")
        return _decoded(np.asarray(answer[0], np.float32), self.characters)


def load_reader(settings: Settings) -> TextReader | None:
    """Return the reader; None when it is not installed. Raises ModelFault for a damaged or another file."""
    if not (settings.model_dir / catalogue().entry(READER).file).is_file():
        return None
    # Lines are of all widths: on a device every one would be a shape of its own.
    options = replace(RuntimeOptions.of(settings), provider="cpu", half=False)
    session = open_network(READER, settings.model_dir, options)
    return TextReader(session, class_characters(session.metadata.get(CHARACTERS, "")))


def class_characters(listed: str) -> tuple[str, ...]:
    """Return the character of every class from the network's list; raises ModelFault when it has none."""
    if not listed:
        raise ModelFault("vocabulary_malformed", f"{READER} does not say which characters it reads.")
    return ("", *listed.split("\n"), " ")


def _input(line: Bgr) -> F32:
    """Return (1, 3, 48, width), blue-green-red −1..1, of the picture's own shape."""
    height, width = line.shape[:2]
    size = (int(np.clip(round(width * LINE_HEIGHT_PX / height), MIN_WIDTH_PX, MAX_WIDTH_PX)), LINE_HEIGHT_PX)
    scaled = np.asarray(cv2.resize(line, size, interpolation=cv2.INTER_LINEAR), np.float32) / 127.5 - 1
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def _decoded(probabilities: F32, characters: Sequence[str]) -> Line:
    """Return the text of (columns, classes)."""
    likeliest = probabilities.argmax(axis=1)
    is_new = np.concatenate([[True], likeliest[1:] != likeliest[:-1]])
    kept = np.flatnonzero(is_new & (likeliest != 0))
    text = " ".join("".join(characters[int(likeliest[column])] for column in kept).split())
    return Line(text, float(probabilities[kept].max(axis=1).mean()) if text else 0.0)
