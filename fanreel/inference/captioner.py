"""A captioning network: picture → words. Two networks and the list of the tokens they speak in.

The encoder turns a picture into features, the decoder says after some tokens how likely each token is next. The
caption is decoded greedily: always the likeliest, until the stop token or MAX_TOKENS. The file format is that of
ONNX exports of `VisionEncoderDecoderModel` (`encoder_model`, `decoder_model`) and of GPT-2's byte-level vocabulary
(Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).

What the network says is unchecked: `fanreel.domain.captions.network_caption` decides whether it is ever shown.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from fanreel.domain.faces import F32, Bgr
from fanreel.errors import ModelFault
from fanreel.settings import Settings

from .catalogue import Entry, catalogue
from .packs import states
from .runtime import RuntimeOptions, Session, open_network

ENCODER, DECODER, WORDS = "captioner_encoder", "captioner_decoder", "captioner_words"
STOP = "<|endoftext|>"
"""Begins and ends a text; also where decoding starts."""
MAX_TOKENS = 24
"""A sentence of two lines; these networks were trained on captions half as long and repeat themselves after it."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The bytes of each token, by its number, and the number that starts and stops."""

    tokens: tuple[bytes, ...]
    stop: int

    def text(self, tokens: Sequence[int]) -> str:
        """Return what the tokens spell; bytes that are no UTF-8 become replacement characters."""
        return b"".join(self.tokens[token] for token in tokens).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Captioner:
    """A loaded captioning network. `side_px`, `mean`, `std`: what the encoder sees, RGB (x - mean) / std."""

    encoder: Session
    decoder: Session
    vocabulary: Vocabulary
    side_px: int
    mean: F32
    std: F32

    def describe(self, picture: Bgr) -> str:
        """Return what the network says about a picture, unchecked.

        Raises ModelFault `inference_failed` when an answer is not of the vocabulary's shape or not finite.
        """
        features = self.encoder.run({"pixel_values": self._input(picture)})["last_hidden_state"]
        tokens = [self.vocabulary.stop]
        for _ in range(MAX_TOKENS):
            token = self._next(tokens, features)
            if token == self.vocabulary.stop:
                break
            tokens.append(token)
        return self.vocabulary.text(tokens[1:]).strip()

    def _input(self, picture: Bgr) -> F32:
        """Return (1, 3, side, side): the whole picture, squeezed, as the network was trained."""
        side = (self.side_px, self.side_px)
        shrinks = picture.shape[0] > self.side_px and picture.shape[1] > self.side_px
        small = cv2.resize(picture, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        rgb = (np.asarray(small, np.float32)[..., ::-1] - self.mean) / self.std
        return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], np.float32)

    def _next(self, tokens: Sequence[int], features: F32) -> int:
        answers = self.decoder.run({"input_ids": np.array([tokens], np.int64), "encoder_hidden_states": features})
        logits = answers["logits"]
        if logits.shape != (1, len(tokens), len(self.vocabulary.tokens)) or not np.isfinite(logits[0, -1]).all():
            raise ModelFault("inference_failed", f"{DECODER}: answers {logits.shape}, or with no numbers.")
        return int(logits[0, -1].argmax())


def load_captioner(settings: Settings) -> Captioner | None:
    """Return the captioning network; None when it is not wanted (`caption_network`) or not installed in full.

    Raises ModelFault when a file is damaged or no such network.
    """
    entries = [catalogue().entry(name) for name in (ENCODER, DECODER, WORDS)]
    if not settings.caption_network or any(state.state == "missing" for state in states(settings, entries)):
        return None
    options = replace(RuntimeOptions.of(settings), half=False)  # it is of 8-bit integers already
    encoder, decoder = (open_network(name, settings.model_dir, options) for name in (ENCODER, DECODER))
    return captioner(encoder, decoder, _verified(entries[2], settings.model_dir), entries[0])


def captioner(encoder: Session, decoder: Session, words: str, entry: Entry) -> Captioner:
    """Put the parts together; `words` is the vocabulary file, `entry` the encoder's. Raises ModelFault."""
    mean, std = (np.array(values, np.float32) for values in (entry.input.mean, entry.input.std))
    return Captioner(encoder, decoder, read_vocabulary(words), entry.input.side_px, mean, std)


def read_vocabulary(text: str) -> Vocabulary:
    """Read {token: number} with GPT-2's stand-ins for bytes; raises ModelFault `vocabulary_malformed`."""
    try:
        numbers: dict[str, int] = json.loads(text)
        by_number = {int(number): token for token, number in numbers.items()}
        ordered = [by_number[number] for number in range(len(by_number))]
        stop = int(numbers[STOP])
        byte_of = _bytes_by_stand_in()
        tokens = tuple(b"" if token == STOP else bytes(byte_of[letter] for letter in token) for token in ordered)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFault("vocabulary_malformed", f"not a vocabulary of byte-level tokens: {error!r}.") from error
    return Vocabulary(tokens, stop)


def _bytes_by_stand_in() -> dict[str, int]:
    """Return which byte each letter of a token stands for.

    Bytes that print stand for themselves; the others, blank included, for the letters from 256 on, in order.
    """
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in prints]
    return {chr(byte): byte for byte in prints} | {chr(256 + index): byte for index, byte in enumerate(rest)}


def _verified(entry: Entry, model_dir: Path) -> str:
    data = (model_dir / entry.file).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry.expected_sha256(model_dir):
        raise ModelFault(
            "model_checksum_mismatch",
            f"{entry.file} is not the file the catalogue names: delete it and run `fanreel models pull pro`.",
            model=entry.id,
        )
    return data.decode("utf-8", "replace")
