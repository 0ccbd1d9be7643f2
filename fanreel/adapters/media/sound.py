"""How loud a video is and what is heard in it, second by second, on the video's own clock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.stream import Stream
from numpy.typing import NDArray
from scipy.signal import sosfilt

from fanreel.contracts.media import MediaInfo
from fanreel.contracts.vision import SoundResult
from fanreel.domain.hearing import RATE

from .container import PacketFaults, decoded, only, opened, packets, stamp, to_ms, to_pts
from .hearing import SecondKinds
from .source import MediaSource

F64 = NDArray[np.float64]

SILENCE_DB = -120.0
RUN_UP_MS = 1_000
"""Decoded before the range so that codec and filter have settled; the result does not depend on the cut."""
RUN_OUT_MS = 200
"""Read after the range: decoders hold a packet or two back."""
SEEK_BACK_MS = (0, 10_000)
JUMP_SAMPLES = RATE // 20
"""A time stamp this far (50 ms) from where the sound has got to is a gap or an overlap; less is rounding."""
LOUDEST_SAMPLE = 4.0
"""Float sound may overshoot full scale, 1, but not by more than 12 dB: what is louder is a broken sample."""
MAX_BROKEN_SHARE = 0.1
"""Share of undecodable packets above which the values are marked as not to be trusted."""
K_OFFSET_DB = -0.691
"""Takes out the filter's gain at 1 kHz, so that a 1 kHz tone reads as its RMS level (ITU-R BS.1770-4 eq. 2)."""
K_WEIGHTING: F64 = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
)
"""ITU-R BS.1770-4 tables 1 and 2: the head's shelf and the low-frequency high-pass, at RATE."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard, a value per second: loudness in dBFS, likelihoods 0..1 per kind of `sound_kinds.KINDS`.

    Reason `no_audio`: no stream (everything is empty); `audio_undecodable`: less than 90 % of the packets in the
    range could be decoded (the values are what there is).
    """

    second_ms: tuple[int, ...] = ()
    loudness_db: tuple[float, ...] = ()
    kinds: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    reason: str | None = None

    def result(self, video_id: str, segment_id: str) -> SoundResult:
        """Return it as the message that the merge reads."""
        return SoundResult(
            video_id=video_id,
            segment_id=segment_id,
            second_ms=self.second_ms,
            loudness_db=self.loudness_db,
            reason=self.reason,
        ).model_copy(update=dict(self.kinds))


def hear(source: MediaSource, media: MediaInfo, start_ms: int, end_ms: int) -> Heard:
    """Measure every whole second that begins in [start_ms, end_ms): its K-weighted RMS level and what it is like.

    Levels are dBFS with -120 for silence or missing sound: the mean power over the channels (without LFE), so
    stereo with the same sound on both sides reads as mono does. The last second counts as far as there is sound.
    Each second is judged by its own samples alone, so that the values do not depend on the range's ends.
    """
    if not media.audio:
        return Heard(reason="no_audio")
    first = -(-start_ms // 1000)
    last = -(-min(end_ms, media.duration_ms) // 1000)
    if last <= first:
        return Heard()
    seconds = tuple(1000 * second for second in range(first, last))
    ear = _Ear(media, first, last)
    if media.audio[0].start_ms >= last * 1000:
        return Heard(seconds, ear.levels(), ear.kinds.columns())
    faults = PacketFaults()
    count = 0
    for stream, packet in _packets(source, media, first * 1000, last * 1000, faults):
        count += 1
        for frame in decoded(stream, packet, faults):
            ear.add(frame)
    ear.finish()
    undecodable = count > 0 and (not ear.heard or faults.count > MAX_BROKEN_SHARE * count)
    return Heard(seconds, ear.levels(), ear.kinds.columns(), "audio_undecodable" if undecodable else None)


def sane(samples: F64) -> F64:
    """Return samples without NaN and infinity, which count as silence, and none above LOUDEST_SAMPLE.

    One such sample would stay in the filter's state, so that nothing after it had a loudness.
    """
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -LOUDEST_SAMPLE, LOUDEST_SAMPLE)


def _packets(
    source: MediaSource, media: MediaInfo, start_ms: int, end_ms: int, faults: PacketFaults
) -> Iterator[tuple[Stream, Any]]:
    """Yield (stream, packet) of the first audio stream from before start_ms to just after end_ms."""
    earliest_ms = media.audio[0].start_ms
    for back_ms in (*SEEK_BACK_MS, None):
        from_start = back_ms is None or start_ms - RUN_UP_MS - back_ms <= earliest_ms
        with opened(source) as container:
            stream = container.streams[media.audio[0].index]
            only(container, stream)
            if not from_start:
                try:
                    target = to_pts(media, start_ms - RUN_UP_MS - (back_ms or 0), stream.time_base)
                    container.seek(target, stream=stream, backward=True)
                except FFmpegError:
                    continue
            faults.count = 0
            begun = from_start
            for packet in packets(container, stream, faults):
                at = None if packet is None else stamp(packet)
                at_ms = None if at is None else to_ms(media, at, stream.time_base)
                if at_ms is not None and at_ms >= end_ms + RUN_OUT_MS:
                    break
                if not begun and (at_ms is None or at_ms > start_ms):
                    break
                begun = True
                yield stream, packet
            if begun:
                return


class _Ear:
    """Takes decoded sound apart into seconds [first, last) of the video's clock: K-weighted power, and kinds."""

    def __init__(self, media: MediaInfo, first: int, last: int) -> None:
        self.heard = False
        self.kinds = SecondKinds(first, last)
        self._origin = media.origin_pts * media.time_base.fraction()
        self._first = first
        self._sum: F64 = np.zeros(last - first)
        self._samples: F64 = np.zeros(last - first)
        self._run: _Run | None = None
        self._covered = first * RATE
        """Sample up to which sound has been counted: what overlaps it is not counted twice."""

    def add(self, frame: AudioFrame) -> None:
        """Take in a decoded frame; a jump in time or another channel layout begins a new run."""
        self.heard = True
        at = stamp(frame)
        place = (
            None
            if at is None
            else round((at * (frame.time_base or Fraction(1, frame.sample_rate)) - self._origin) * RATE)
        )
        run = self._run
        if run is None or run.layout != frame.layout.name or run.rate != frame.sample_rate or run.jumps_to(place):
            self.finish()
            run = self._run = _Run(frame, place if place is not None else self._covered)
        run.taken += Fraction(frame.samples * RATE, frame.sample_rate)
        self._count(run, run.resampler.resample(frame))

    def finish(self) -> None:
        """Take what the resampler still holds."""
        if self._run is not None:
            self._count(self._run, self._run.resampler.resample(None))
            self._run = None

    def _count(self, run: "_Run", pieces: Sequence[AudioFrame]) -> None:
        for piece in pieces:
            begin, power, mono = run.weighted(piece)
            skip = max(0, self._covered - begin)
            begin, power = begin + skip, power[skip:]
            self.kinds.add(begin, mono[skip:])
            end = begin + len(power)
            self._covered = max(self._covered, end)
            while begin < end:
                second = begin // RATE - self._first
                stop = min(end, (begin // RATE + 1) * RATE)
                if 0 <= second < len(self._sum):
                    self._sum[second] += power[: stop - begin].sum()
                    self._samples[second] += stop - begin
                begin, power = stop, power[stop - begin :]

    def levels(self) -> tuple[float, ...]:
        """Return dBFS per second. Missing sound counts as silence, except after the end of the last second's."""
        length = np.full(len(self._sum), float(RATE))
        length[-1] = max(self._samples[-1], 1.0)
        with np.errstate(divide="ignore"):
            level = 10 * np.log10(self._sum / length) + K_OFFSET_DB
        return tuple(round(float(value), 2) for value in np.maximum(level, SILENCE_DB))


class _Run:
    """A stretch of sound without a gap and with one layout: resampler and filter state."""

    def __init__(self, frame: AudioFrame, place: int) -> None:
        self.layout = frame.layout.name
        self.rate = frame.sample_rate
        self.resampler = AudioResampler(format="fltp", layout=frame.layout, rate=RATE)
        self.taken = Fraction(0)
        self._begin = place
        self._given = 0
        weights = np.array([0.0 if channel.name == "LFE" else 1.0 for channel in frame.layout.channels])
        self._weights: F64 = weights / max(weights.sum(), 1.0)
        self._state: F64 = np.zeros((len(K_WEIGHTING), len(weights), 2))

    def jumps_to(self, place: int | None) -> bool:
        """Tell whether a frame at this sample does not follow what was taken in."""
        return place is not None and abs(place - self._begin - self.taken) > JUMP_SAMPLES

    def weighted(self, piece: AudioFrame) -> tuple[int, F64, F64]:
        """Return the first sample's place, each sample's power (mean over the channels), and the mono mix."""
        samples = sane(piece.to_ndarray().astype(np.float64))
        filtered, state = sosfilt(K_WEIGHTING, samples, axis=-1, zi=self._state)
        self._state = cast(F64, state)
        begin = self._begin + self._given
        self._given += samples.shape[1]
        return begin, self._weights @ np.square(cast(F64, filtered)), self._weights @ samples
