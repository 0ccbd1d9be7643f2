"""What noise reduction gains on noise planted at known levels, and what it does to sound that had none.

    python -m benchmarks.denoise --audio ../shared/media/audio

Gain is SI-SDR after minus before (J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR – half-baked or well
done?", ICASSP 2019): with reference s and estimate e, both without their mean, a = <e,s> / <s,s> and
SI-SDR = 10 log10(|a s|² / |a s − e|²). A filter's delay is taken out first, to the sample. Harm is the same
measure of a clean file, filtered, against itself, and the change of its K-weighted level. The settings of
fanreel/domain/noise.py were chosen on CHOOSE; JUDGE was not looked at until then.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import ffmpeg
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.signal import sosfilt

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.render_mix import DENOISE_DELAY, cleaned, read_mono
from fanreel.adapters.media.render_source import Stream
from fanreel.adapters.media.sound import K_WEIGHTING
from fanreel.domain.noise import FLOOR_RANGE_DB, RATE, REDUCTION_DB, measure_noise

F64 = NDArray[np.float64]
CHOOSE = ("fw_jfk.flac", "paa_speech_music_sample.wav", "football_goal2.mp3", "halftime_crowd.mp3")
JUDGE = ("paa_diarizationExample.wav", "mmaction_test.wav", "football_crowd2.mp3", "football_goal.ogg")
SPEECH = {"fw_jfk.flac", "paa_speech_music_sample.wav", "paa_diarizationExample.wav", "mmaction_test.wav"}
LENGTH_S = 12
KINDS = ("white", "pink", "hum", "rain")
SNRS_DB = (0, 5, 10, 20)
MOST_SI_SDR_DB = 60.0
"""Cleaner than this is the same to any ear; a filter that does nothing would be infinitely clean."""


class _Died(Exception):
    """The filter's process ended with a signal."""


Denoiser = Callable[[F64], F64]


@dataclass(frozen=True, slots=True)
class _Result:
    """Gains in dB by (file, kind, SNR); harm by file: SI-SDR in dB and change of level in LU."""

    gains: dict[tuple[str, str, int], float]
    harm: dict[str, tuple[float, float]]

    def gain(self, **chosen: object) -> float:
        wanted = (chosen.get("file"), chosen.get("kind"), chosen.get("snr"))
        return float(
            np.mean(
                [
                    gain
                    for place, gain in self.gains.items()
                    if all(want is None or want == value for want, value in zip(wanted, place, strict=True))
                ]
            )
        )


def main(audio: Annotated[Path, typer.Option("--audio", help="The folder of the shared sounds.")]) -> None:
    """Print the table of the files that chose the default and of those that judge it."""
    console = Console(width=180)
    for title, files in (("chosen on", CHOOSE), ("judged on", JUDGE)):
        console.print(_table(f"{title} {', '.join(files)}", files, audio))


def _table(title: str, files: tuple[str, ...], audio: Path) -> Table:
    table = Table(title=title)
    table.add_column("noise reduction", no_wrap=True)
    heads = [*KINDS, *(f"{snr} dB" for snr in SNRS_DB), "speech", "crowd", "all"]
    for name in (*heads, "clean: speech dB", "clean: crowd dB", "crowd LU"):
        table.add_column(name, justify="right")
    for name, denoiser in _denoisers().items():
        try:
            table.add_row(name, *_row(_measured(denoiser, files, audio), files))
        except _Died as died:
            table.add_row(name, str(died))
    return table


def _row(result: _Result, files: tuple[str, ...]) -> list[str]:
    speech, crowd = ([file for file in files if (file in SPEECH) is is_speech] for is_speech in (True, False))
    gains = [result.gain(kind=kind) for kind in KINDS] + [result.gain(snr=snr) for snr in SNRS_DB]
    gains += [float(np.mean([result.gain(file=file) for file in group])) for group in (speech, crowd)]
    harms = [min(result.harm[file][0] for file in group) for group in (speech, crowd)]
    change = max((result.harm[file][1] for file in crowd), key=abs)
    return (
        [f"{gain:+.1f}" for gain in [*gains, result.gain()]]
        + [f"{harm:.0f}" for harm in harms]
        + [f"{change:+.2f}"]
    )


def _measured(denoiser: Denoiser, files: tuple[str, ...], audio: Path) -> _Result:
    gains: dict[tuple[str, str, int], float] = {}
    harm: dict[str, tuple[float, float]] = {}
    for file in files:
        clean = read_mono(audio / file)[: LENGTH_S * RATE].astype(np.float64)
        after = denoiser(clean)
        harm[file] = (min(si_sdr_db(clean, after), MOST_SI_SDR_DB), _level_db(after) - _level_db(clean))
        for kind in KINDS:
            planted = _noise(kind, len(clean), audio, is_judging=file in JUDGE)
            planted *= np.sqrt(np.mean(clean**2) / np.mean(planted**2))
            for snr_db in SNRS_DB:
                noisy = clean + planted * 10 ** (-snr_db / 20)
                gains[file, kind, snr_db] = si_sdr_db(clean, denoiser(noisy)) - si_sdr_db(clean, noisy)
    return _Result(gains, harm)


def si_sdr_db(reference: F64, estimate: F64) -> float:
    """Return the scale-invariant signal-to-distortion ratio; both of one length."""
    reference, estimate = reference - reference.mean(), estimate - estimate.mean()
    target = (estimate @ reference) / (reference @ reference) * reference
    rest = estimate - target
    return float(10 * np.log10((target @ target) / max(rest @ rest, 1e-20)))


def delay_of(reference: F64, late: F64) -> int:
    """Return by how many samples (0 or more) a sound comes later than its reference."""
    size = 1 << (len(reference) + len(late)).bit_length()
    spectrum = np.fft.rfft(late, size) * np.conj(np.fft.rfft(reference, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: RATE // 5]))


def _noise(kind: str, length: int, audio: Path, *, is_judging: bool) -> F64:
    rng = np.random.default_rng(1 if is_judging else 0)
    if kind == "white":
        return rng.normal(size=length)
    if kind == "pink":
        spectrum = np.fft.rfft(rng.normal(size=length))
        return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20)), length)
    if kind == "hum":
        at_s = np.arange(length) / RATE
        return np.sum([np.sin(2 * np.pi * 50 * k * at_s + k) / k for k in range(1, 11)], axis=0)
    rain = read_mono(audio / "rain.mp3").astype(np.float64)
    half = len(rain) // 2
    return np.resize(rain[half:] if is_judging else rain[:half], length)


def _denoisers() -> dict[str, Denoiser]:
    return {
        "none": lambda samples: samples,
        "6 dB, floor -50 (before)": _aligned("afftdn", noise_reduction=6, noise_floor=-50),
        "12 dB, floor -50": _aligned("afftdn", noise_reduction=12, noise_floor=-50),
        "12 dB, floor -50, tracking": _aligned("afftdn", noise_reduction=12, noise_floor=-50, track_noise=1),
        "12 dB, white floor, always": _floor_measured,
        "anlmdn": _aligned("anlmdn", strength=0.0001),
        "measured, no notches": lambda samples: _cleaned(samples, notches=False),
        "measured, 6 dB": lambda samples: _cleaned(samples, reduction_db=6),
        "measured, 20 dB": lambda samples: _cleaned(samples, reduction_db=20),
        "measured (default)": _cleaned,
    }


def _cleaned(samples: F64, *, notches: bool = True, reduction_db: float = REDUCTION_DB) -> F64:
    found = measure_noise(samples)
    if found is None:
        return samples
    noise = replace(
        found,
        reduction_db=found.reduction_db * reduction_db / REDUCTION_DB,
        hum_hz=found.hum_hz if notches else (),
    )
    return _filtered(samples, lambda sound: cleaned(sound, noise))


def _floor_measured(samples: F64) -> F64:
    """Take the 5th percentile of the level for a white floor, whatever the sound is like."""
    steps = samples[: len(samples) // 2400 * 2400].reshape(-1, 2400)
    floor_db = 10 * np.log10(np.percentile((steps**2).mean(axis=1), 5) + 1e-12)
    floor_db = float(np.clip(floor_db, *FLOOR_RANGE_DB))
    return _aligned("afftdn", noise_reduction=12, noise_floor=floor_db)(samples)


def _aligned(name: str, **options: object) -> Denoiser:
    """Return a filter whose delay was measured on an impulse in faint noise, and is taken out."""
    probe = np.random.default_rng(2).normal(size=RATE) * 1e-4
    probe[RATE // 2] = 0.9

    def run(samples: F64) -> F64:
        return _filtered(samples, lambda sound: sound.filter("apad", pad_len=RATE // 5).filter(name, **options))

    def denoise(samples: F64) -> F64:
        delay = DENOISE_DELAY if name == "afftdn" else delay_of(probe, run(probe))
        return run(samples)[delay : delay + len(samples)]

    return denoise


def _filtered(samples: F64, chain: Callable[[Stream], Stream]) -> F64:
    raw = {"format": "f32le", "ar": RATE, "ac": 1}
    graph = ffmpeg.output(chain(ffmpeg.input("pipe:", **raw)), "pipe:", **raw)
    command = graph.global_args("-loglevel", "error").compile(cmd=ffmpeg_binary())
    done = subprocess.run(command, input=samples.astype(np.float32).tobytes(), capture_output=True, check=False)
    if done.returncode != 0:
        raise _Died(f"ffmpeg died ({done.returncode})")
    return np.frombuffer(done.stdout, np.float32).astype(np.float64)


def _level_db(samples: F64) -> float:
    return float(10 * np.log10(np.mean(np.square(sosfilt(K_WEIGHTING, samples)))))


if __name__ == "__main__":
    typer.run(main)
