"""How a montage's joined sound is finished: noise, level, music bed, peaks; all of it measured beforehand.

`loudnorm` is not used: where a gain alone would pass the peak or the range it quietly compresses, and its one
number cannot answer for what the encoder does. Here the gain is found by measuring trial encodings of the sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import av
import ffmpeg
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from fanreel.contracts import RenderStyle
from fanreel.domain.noise import Noise, measure_noise

from .render_expression import summed
from .render_loudness import Loudness, compiled, loudness_command, loudness_of, opened
from .render_sound import SAMPLE_RATE, fitted
from .render_source import Stream

TARGET_LUFS = -16.0
"""DESIGN §7: what phones and the web play at."""
TRUE_PEAK_DBTP = -1.5
MAX_GAIN_DB = 20.0
"""More would make a silent stand's hiss as loud as a goal."""
CEILING_DBTP = -2.2
"""Where the limiter stands at first: AAC at 160 kbit/s gives peaks back up to some tenths higher."""
TOLERANCE_LU = 0.3
FILM_TOLERANCE_LU = 1.0
"""DESIGN §7."""
TRIALS = 4
OVERSAMPLING = 4
"""BS.1770-4 annex 2 finds true peaks at four times 48 kHz; so does the limiter."""

DENOISE_DELAY = SAMPLE_RATE // 40
"""afftdn gives everything out this many samples late, stamps unchanged (two of its windows' steps, each 1/80 s:
libavfilter/af_afftdn.c; an impulse comes out 1200 samples late at 48 kHz). 25 ms would be lip-sync lost."""
HUM_NOTCH_HZ = 1.0
"""Width of a notch: at 4 Hz its phase costs the sound around it more than faint hum does."""

DUCK_STEP_S = 0.1
DUCK_BELOW_LU = 15.0
"""The own sound is up where it is less than this below its loudness: speech and cheers, not the murmur between."""
DUCK_HOLD_S = 0.8
"""Shorter pauses do not let the music up: it would pump between words."""
DUCK_RAMP_S = 0.25
BED_FADE_S = 1.5
BED_STEP = 240
"""The bed's gain changes every 5 ms: no zipper is heard."""
AAC = {"c:a": "aac", "b:a": "160k", "ar": SAMPLE_RATE, "ac": 2}


class Run(Protocol):
    """Runs a command built by `compiled` to its end."""

    def __call__(self, command: Sequence[str], *, log_file: Path) -> str:
        """Return what the command told."""
        ...


@dataclass(frozen=True, slots=True)
class Bed:
    """Music under a film: its gain, and [from, to) in seconds where it gives way by `duck_db`."""

    path: Path
    gain_db: float
    duck_db: float
    ducks_s: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Mix:
    """How the joined sound is finished: noise taken away, `gain_db`, the bed, both by `trim_db`, peaks held.

    `target_lufs` is how loud it is to come out; None: its own level was not measured and is kept.
    """

    noise: Noise | None = None
    gain_db: float = 0.0
    bed: Bed | None = None
    trim_db: float = 0.0
    ceiling_dbtp: float = CEILING_DBTP
    target_lufs: float | None = None


def measure_mix(
    wav: Path | None, style: RenderStyle, samples: int, folder: Path, *, run: Run, binary: str, music: Path | None
) -> Mix | None:
    """Measure a film's joined sound (48 kHz stereo, `wav`; None: no source has any) and say how to finish it.

    `samples` is the film's length; `music` the file of its bed; trial encodings and logs are written to `folder`.
    None: there is nothing to hear. A sound below the gate of EBU R 128, or shorter than 0.4 s, keeps its level.

    Raises what `run` raises.
    """
    measure = _Measure(run, binary, folder)
    noise = own = None
    ducks: tuple[tuple[float, float], ...] = ()
    if wav is not None:
        mono = read_mono(wav)
        noise = measure_noise(mono) if style.denoise else None
        own = measure.loudness(cleaned(opened(wav), noise))
        if own is not None:
            ducks = duck_spans(mono, own.integrated)
    bed: Bed | None = None
    if music is not None and (loud := measure.loudness(opened(music))) is not None:
        bed = Bed(music, TARGET_LUFS + style.music_gain_db - loud.integrated, style.duck_db, ducks)
    if own is None and bed is None:
        return Mix(noise) if wav is not None else None
    target = TARGET_LUFS if own is None else min(TARGET_LUFS, own.integrated + MAX_GAIN_DB)
    mix = Mix(noise, 0.0 if own is None else target - own.integrated, bed, target_lufs=target)
    return _tried(mix, wav, samples, target, measure)


def misses(heard: Loudness, mix: Mix | None) -> bool:
    """Tell whether a finished film's sound is not as loud as the mix was to make it, or its peaks are too high."""
    target_lufs = None if mix is None else mix.target_lufs
    is_off = target_lufs is not None and abs(heard.integrated - target_lufs) > FILM_TOLERANCE_LU
    return is_off or heard.true_peak > TRUE_PEAK_DBTP


def finished_sound(joined: Stream | None, mix: Mix | None, samples: int) -> Stream:
    """Finish a joined sound (None: there is none) as `mix` says, `samples` long."""
    sound = ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", f="lavfi") if joined is None else joined
    if mix is None:
        return fitted(sound, samples)
    sound = fitted(cleaned(sound, mix.noise), samples).filter("volume", f"{mix.gain_db:.3f}dB")
    if mix.bed is not None:
        bed = _bed_sound(mix.bed, samples)
        sound = ffmpeg.filter([sound, bed], "amix", inputs=2, normalize=0, duration="first")
    limited = (
        sound.filter("volume", f"{mix.trim_db:.3f}dB")
        .filter("aresample", SAMPLE_RATE * OVERSAMPLING)
        .filter(
            "alimiter",
            limit=round(10 ** (mix.ceiling_dbtp / 20), 5),
            attack=5,
            release=80,
            level=0,
            latency=1,
        )
        .filter("aresample", SAMPLE_RATE)
    )
    return fitted(limited, samples)


def cleaned(sound: Stream, noise: Noise | None) -> Stream:
    """Take away steady noise and hum; every sample stays where it was."""
    if noise is None:
        return sound
    for hum_hz in noise.hum_hz:
        sound = sound.filter("bandreject", frequency=hum_hz, width_type="h", width=HUM_NOTCH_HZ)
    if noise.reduction_db == 0.0:
        return sound
    return (
        sound.filter("apad", pad_len=DENOISE_DELAY)
        .filter(
            "afftdn",
            noise_reduction=round(noise.reduction_db, 2),
            noise_floor=round(noise.floor_db, 2),
            noise_type="custom",
            band_noise="|".join(f"{band_db:.1f}" for band_db in noise.bands_db),
        )
        .filter("atrim", start_sample=DENOISE_DELAY)
        .filter("asetpts", "PTS-STARTPTS")
    )


def duck_spans(mono: NDArray[np.float32], loudness_lufs: float) -> tuple[tuple[float, float], ...]:
    """Return where a sound is up, as [from, to) in seconds, pauses shorter than DUCK_HOLD_S closed."""
    step = round(DUCK_STEP_S * SAMPLE_RATE)
    steps = mono[: len(mono) // step * step].reshape(-1, step)
    levels_db = 10 * np.log10(np.maximum((steps**2).mean(axis=1), 1e-12))
    spans: list[tuple[float, float]] = []
    for index in np.flatnonzero(levels_db > loudness_lufs - DUCK_BELOW_LU):
        from_s, to_s = float(index * DUCK_STEP_S), float((index + 1) * DUCK_STEP_S)
        if spans and from_s - spans[-1][1] < DUCK_HOLD_S:
            spans[-1] = (spans[-1][0], to_s)
        else:
            spans.append((from_s, to_s))
    return tuple(spans)


def read_mono(path: Path) -> NDArray[np.float32]:
    """Read the first sound of a file at 48 kHz, mixed to one channel."""
    parts: list[NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        resampler = AudioResampler("fltp", "mono", SAMPLE_RATE)
        for frame in container.decode(audio=0):
            parts += [made.to_ndarray()[0] for made in resampler.resample(frame)]
        parts += [made.to_ndarray()[0] for made in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class _Measure:
    run: Run
    binary: str
    folder: Path

    def loudness(self, sound: Stream) -> Loudness | None:
        return loudness_of(self.run(loudness_command(sound, self.binary), log_file=self.folder / "loudness.log"))

    def trial(self, wav: Path | None, mix: Mix, samples: int) -> Loudness | None:
        """Encode the finished sound as the film will, and measure that."""
        encoded = self.folder / "trial.m4a"
        sound = finished_sound(None if wav is None else opened(wav), mix, samples)
        self.run(
            compiled(ffmpeg.output(sound, f"file:{encoded}", **AAC), self.binary),
            log_file=self.folder / "trial.log",
        )
        return self.loudness(opened(encoded))


def _tried(mix: Mix, wav: Path | None, samples: int, target: float, measure: _Measure) -> Mix:
    """Correct a mix until a trial of it is as loud as wanted and its peaks are low enough.

    A sound of claps that the limiter holds back cannot be made louder than its peaks allow: the trim stops at
    MAX_GAIN_DB, the peak goes first.
    """
    for _ in range(TRIALS):
        heard = measure.trial(wav, mix, samples)
        if heard is None:
            return mix
        off, over = target - heard.integrated, heard.true_peak - TRUE_PEAK_DBTP
        if abs(off) <= TOLERANCE_LU and over <= 0:
            return mix
        mix = replace(
            mix,
            trim_db=min(mix.trim_db + off, MAX_GAIN_DB),
            ceiling_dbtp=mix.ceiling_dbtp - (over + 0.2 if over > 0 else 0.0),
        )
    return mix


def _bed_sound(bed: Bed, samples: int) -> Stream:
    length_s = samples / SAMPLE_RATE
    fade = min(round(BED_FADE_S * SAMPLE_RATE), samples // 3)
    steps = [f"+clip(min((t-{a:.2f})/{DUCK_RAMP_S}+1,({b:.2f}-t)/{DUCK_RAMP_S}+1),0,1)" for a, b in bed.ducks_s]
    music = ffmpeg.input(
        f"file:{bed.path}", stream_loop=-1, t=f"{length_s + 1:.3f}", protocol_whitelist="file"
    ).audio
    sound = fitted(music.filter("aresample", SAMPLE_RATE, first_pts=0, **{"async": 1}), samples)
    sound = sound.filter("volume", f"{bed.gain_db:.3f}dB")
    if steps:
        curve = f"pow(10,-{bed.duck_db}/20*min(1,{summed(steps)}))"
        sound = sound.filter("asetnsamples", BED_STEP, pad=0).filter("volume", volume=curve, eval="frame")
    sound = sound.filter("afade", type="in", start_sample=0, nb_samples=fade)
    return sound.filter("afade", type="out", start_sample=samples - fade, nb_samples=fade)
