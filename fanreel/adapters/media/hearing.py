"""Gathers decoded sound into whole seconds and says what each of them sounds like."""

import numpy as np
from numpy.typing import NDArray

from fanreel.domain.hearing import RATE
from fanreel.domain.sound_kinds import KINDS, likelihoods


class SecondKinds:
    """Likelihoods of each second [first, last) of the video's clock; holds one second of sound at a time."""

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._said = np.zeros((last - first, len(KINDS)))
        self._sound = np.zeros(RATE, np.float32)
        self._second = first
        self._filled = 0
        """Samples of the second up to where there is sound; what was skipped before is silence."""

    def add(self, begin: int, mono: NDArray[np.float64]) -> None:
        """Take in mono sound whose first sample is so many samples from the video's start; places only go up."""
        end = begin + len(mono)
        while begin < end:
            second, inside = divmod(begin, RATE)
            count = min(end - begin, RATE - inside)
            if second != self._second:
                self._say()
                self._second = second
            self._sound[inside : inside + count] = mono[:count]
            self._filled = inside + count
            begin, mono = begin + count, mono[count:]

    def columns(self) -> dict[str, tuple[float, ...]]:
        """Return each kind's likelihoods, 0..1 per second; 0 where nothing was heard."""
        self._say()
        return {kind: tuple(self._said[:, column].tolist()) for column, kind in enumerate(KINDS)}

    def _say(self) -> None:
        row = self._second - self._first
        if self._filled and 0 <= row < len(self._said):
            self._said[row] = likelihoods(self._sound[: self._filled])
        self._sound[:] = 0.0
        self._filled = 0
