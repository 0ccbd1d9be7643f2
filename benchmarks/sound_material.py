"""The sounds that scenes are mixed from: synthesised here, and permissively licensed files of the shared media.

Needs espeak-ng (voices) and fluidsynth with the FluidR3 sound font (instruments; MIT), both Debian packages. What
they sing and say is drawn at random from a seed. Everything is mono at 16 kHz, at an RMS of about 1.
"""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import butter, fftconvolve, lfilter, resample_poly, sosfilt

from benchmarks.midi import applause_notes, random_song
from fanreel.adapters.media.ffmpeg import ffmpeg_binary

F32 = NDArray[np.float32]
RATE = 16_000
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")

PERMISSIVE: dict[str, tuple[str, tuple[tuple[float, float], ...]]] = {
    "fw_jfk.flac": ("speech", ((0.2, 10.8),)),
    "mmaction_test.wav": ("speech", ((0.0, 2.2), (2.9, 5.0), (5.5, 6.5))),
    "paa_diarizationExample.wav": ("speech", ((0.2, 41.8),)),
    "paa_speech_music_sample.wav": ("music", ((0.0, 1.0), (3.0, 4.9))),
    "paa_doremi.wav": ("music", ((0.1, 7.5),)),
    "rain.mp3": ("noise", ((0.5, 60.0),)),
}
"""Files of media/audio under MIT or Apache-2.0, what they hold, and where (seconds)."""

SENTENCES = """
and here they come again down the left hand side, he looks up, he crosses it, oh what a chance that was.
welcome back to the second half, the score is two one and the visitors need a goal now. pass inside, shot, saved.
corner kick. the referee says play on. substitution coming up, number eleven. good evening everybody.
"""
SHOUTS = ("yeah", "wow", "goal", "woah", "come on", "yes", "hey", "oh", "aah", "go go go")
VOICES = ("en-us", "en-gb", "de", "fr", "es", "it", "pt", "nl", "pl", "en-gb-scotland")
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound, and the shared file it is from (empty: synthesised)."""

    samples: F32
    file: str = ""


@dataclass(slots=True)
class Material:
    """Clips by what they are: `speech`, `music`, `noise`, `applause`, `whistle`, `cheer`, `murmur`, `horn`."""

    clips: dict[str, list[Clip]] = field(default_factory=dict[str, list[Clip]])

    def add(self, kind: str, samples: NDArray[Any], file: str = "") -> None:
        """Take in a sound at an RMS of 1."""
        sound = np.asarray(samples, np.float32)
        level = float(np.sqrt(np.mean(np.square(sound))))
        if level > 0:
            self.clips.setdefault(kind, []).append(Clip(sound / np.float32(level), file))


def make_material(audio: Path, rng: np.random.Generator) -> Material:
    """Synthesise everything and read the permissive files; about a minute on one core."""
    material = Material()
    spoken = [speak(rng) for _ in range(110)]
    shouts = [shout(rng) for _ in range(160)] + [speak(rng, shouting=True) for _ in range(60)]
    for sound in spoken:
        material.add("speech", sound)
    many: dict[str, tuple[int, Callable[[], F32]]] = {
        "applause": (60, lambda: applause(rng)),
        "whistle": (110, lambda: whistle(rng)),
        "cheer": (120, lambda: cheer(rng, shouts)),
        "murmur": (40, lambda: reverberant(babble(rng, spoken, int(rng.integers(8, 40))), rng)),
        "noise": (110, lambda: noise(rng)),
        "horn": (20, lambda: horn(rng)),
    }
    for kind, (count, make) in many.items():
        for _ in range(count):
            material.add(kind, make())
    for sound in played([random_song(rng, 12.0) for _ in range(70)], 12.0):
        material.add("music", sound)
    for sound in played([applause_notes(rng, 8.0) for _ in range(12)], 8.0):
        material.add("applause", reverberant(sound, rng))
    for name, (kind, spans) in PERMISSIVE.items():
        sound = read_sound(audio / name)
        for start, end in spans:
            material.add(kind, sound[int(start * RATE) : int(end * RATE)], name)
    return material


def read_sound(path: Path) -> F32:
    """Return a file's first sound stream as mono at 16 kHz."""
    command = [ffmpeg_binary(), "-v", "error", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", str(RATE)]
    raw = subprocess.run([*command, "-f", "f32le", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.float32)


def speak(rng: np.random.Generator, *, shouting: bool = False) -> F32:
    """Return about eight seconds of a made-up voice reading drawn words, or one shouting."""
    vocabulary, count = (SHOUTS, 2) if shouting else (SENTENCES.split(), 22)
    text = " ".join(rng.choice(vocabulary, count))
    voice = f"{rng.choice(VOICES)}+{rng.choice(VARIANTS)}"
    pitch, speed = int(rng.integers(70, 99) if shouting else rng.integers(20, 80)), int(rng.integers(130, 220))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(path), text]
        subprocess.run(command, check=True, capture_output=True)
        return _read_wav(path)


def played(songs: list[bytes], seconds: float) -> list[F32]:
    """Return MIDI files as the sound font's instruments play them, one after another, in pieces of this length."""
    with tempfile.TemporaryDirectory() as folder:
        scores = [Path(folder) / f"{number:03d}.mid" for number in range(len(songs))]
        for score, song in zip(scores, songs, strict=True):
            score.write_bytes(song)
        path = Path(folder) / "all.wav"
        command = ["fluidsynth", "-ni", "-q", "-r", "32000", "-F", str(path), str(SOUND_FONT), *map(str, scores)]
        subprocess.run(command, check=True, capture_output=True)
        sound = _read_wav(path)
    count = int(seconds * RATE)
    return [sound[at : at + count] for at in range(0, len(sound) - count, count)]


def _read_wav(path: Path) -> F32:
    rate, samples = wavfile.read(path)
    sound = np.asarray(samples, np.float32) / 32_768
    mono = sound.mean(axis=1) if sound.ndim == 2 else sound
    if rate != RATE:
        mono = resample_poly(mono, RATE, rate)
    loud = np.flatnonzero(np.abs(mono) > 1e-3)
    return np.asarray(mono[loud[0] : loud[-1]] if len(loud) else mono, np.float32)


def shout(rng: np.random.Generator) -> F32:
    """Return one to three seconds of a drawn-out open vowel: partials under three formants, with jitter."""
    count = int(rng.uniform(1.0, 3.0) * RATE)
    t = np.arange(count) / RATE
    bend = rng.uniform(-0.3, 0.3) * t / t[-1] + 0.02 * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    jitter = 3e-4 * np.asarray(lfilter([1.0], [1.0, -0.999], rng.normal(size=count)), np.float64)
    pitch = np.exp2(np.log2(rng.uniform(160, 620)) + bend + jitter)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = np.array([rng.uniform(500, 1000), rng.uniform(900, 1900), rng.uniform(2400, 3300)])
    sound = np.zeros(count)
    for number in range(1, 16):
        hz = pitch * number
        gain = sum(g / (1 + ((hz - f) / 150) ** 2) for f, g in zip(formants, (1.0, 0.7, 0.35), strict=True))
        sound += np.where(hz < 7_500, gain + 0.02, 0) * np.sin(number * phase)
    sound += rng.normal(size=count) * rng.uniform(0, 0.1)
    return np.asarray(sound * np.minimum(1, np.minimum(t, t[-1] - t) / 0.25 + 1e-3), np.float32)


def babble(rng: np.random.Generator, voices: list[F32], count: int, seconds: float = 6.0) -> F32:
    """Return so many of the voices at once, each from a drawn moment on, over and over."""
    total = np.zeros(int(seconds * RATE), np.float32)
    for _ in range(count):
        voice = voices[int(rng.integers(len(voices)))]
        pause = np.zeros(int(rng.uniform(0.1, 1) * RATE), np.float32)
        looped = np.resize(np.concatenate((voice, pause)), len(total))
        level = np.sqrt(np.mean(np.square(voice)) + 1e-12)
        total += np.roll(looped, int(rng.integers(len(total)))) * np.float32(rng.lognormal(0, 0.7) / level)
    return total


def cheer(rng: np.random.Generator, shouts: list[F32]) -> F32:
    """Return a roar: many drawn-out voices in a hall, the mass of those too far to be told apart, a slow swell."""
    near = babble(rng, shouts, int(rng.integers(15, 120)))
    far = coloured(rng, len(near), rng.uniform(350, 1_100), rng.uniform(0.6, 1.8), rng.uniform(9, 20))
    swell = np.exp(np.interp(np.linspace(0, 1, len(near)), np.linspace(0, 1, 6), rng.normal(0, 0.35, 6)))
    mixed = _level(near) * rng.uniform(0.25, 1.0) + _level(far) * rng.uniform(0.2, 1.2)
    sound = reverberant(np.asarray(mixed * swell, np.float32), rng)
    if rng.random() < 0.3:
        return np.asarray(_level(sound) + rng.uniform(0.1, 0.5) * _level(applause(rng))[: len(sound)], np.float32)
    return sound


def coloured(rng: np.random.Generator, count: int, centre_hz: float, octaves: float, fall_db: float) -> F32:
    """Return noise with a broad hill around centre_hz and a fall of so many dB an octave above it."""
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    away = np.log2(hz / centre_hz)
    above, below = (np.maximum(side - octaves / 2, 0) for side in (away, -away))
    gain_db = -fall_db * above - 8 * below
    spectrum = np.fft.rfft(rng.normal(size=count)) * 10 ** (gain_db / 20)
    return np.asarray(np.fft.irfft(spectrum, count), np.float32)


def applause(rng: np.random.Generator, seconds: float = 6.0) -> F32:
    """Return 4 to 400 pairs of hands, each with a resonance of its own, 2 to 5 claps a second (Peltola 2007)."""
    count = int(seconds * RATE)
    total = np.zeros(count + RATE)
    for _ in range(int(np.exp(rng.uniform(np.log(4), np.log(400))))):
        t = np.arange(int(0.02 * RATE)) / RATE
        hit = rng.normal(size=len(t)) * np.exp(-t / rng.uniform(0.002, 0.006))
        centre = rng.uniform(700, 2_800)
        sections = butter(1, (centre * 0.6, min(centre * 1.7, 7_500)), "bandpass", fs=RATE, output="sos")
        hit = np.asarray(sosfilt(sections, hit), np.float64)
        gap, gain = 1 / rng.uniform(2, 5), rng.lognormal(0, 0.8)
        at = rng.uniform(0, gap)
        while at < seconds:
            start = int(at * RATE)
            total[start : start + len(hit)] += hit * gain * rng.uniform(0.6, 1.2)
            at += gap * rng.normal(1, 0.06)
    return reverberant(np.asarray(total[:count], np.float32), rng)


def whistle(rng: np.random.Generator) -> F32:
    """Return a referee's pea whistle (trilled, two tones) or somebody's fingers (one gliding tone), 0.2–2 s."""
    count = int(rng.uniform(0.2, 2.0) * RATE)
    t = np.arange(count) / RATE
    if rng.random() < 0.45:
        trill = rng.uniform(18, 45)
        hz = rng.uniform(2_200, 4_100) * (1 + rng.uniform(0, 0.02) * np.sin(2 * np.pi * trill * t))
        loud = 1 + rng.uniform(0.0, 0.7) * np.sin(2 * np.pi * trill * t)
        tones = (1.0, rng.uniform(1.02, 1.12), 2.0)
    else:
        hz = np.interp(t, np.linspace(0, t[-1], 5), rng.uniform(1_900, 3_600) * np.exp2(rng.normal(0, 0.12, 5)))
        loud, tones = np.ones(count), (1.0, 2.0)
    gains = (1.0, rng.uniform(0, 0.8), rng.uniform(0, 0.1)) if len(tones) == 3 else (1.0, rng.uniform(0, 0.1))
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    sound = sum(gain * np.sin(phase * tone) for gain, tone in zip(gains, tones, strict=True)) * loud
    edge = np.minimum(1, np.minimum(t, t[-1] - t) / 0.03)
    return reverberant(np.asarray(sound * edge, np.float32), rng, wet=rng.uniform(0, 0.5))


def noise(rng: np.random.Generator, seconds: float = 6.0) -> F32:
    """Return what is none of all: hum, wind, air, traffic, drops, knocks (a ball, doors), white to brown noise."""
    count = int(seconds * RATE)
    t = np.arange(count) / RATE
    if rng.random() < 0.5:
        exponent = rng.uniform(0, 2)
        hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
        sound = np.fft.irfft(np.fft.rfft(rng.normal(size=count)) * hz ** (-exponent / 2), count)
    else:  # a hill, but not where voices have theirs
        centre = rng.uniform(40, 250) if rng.random() < 0.7 else rng.uniform(2_500, 6_000)
        sound = coloured(rng, count, centre, rng.uniform(0.3, 2.5), rng.uniform(3, 14))
    sound = _level(sound).astype(np.float64)
    if rng.random() < 0.3:
        drops = np.where(rng.random(count) < rng.uniform(20, 2_000) / RATE, rng.normal(size=count), 0)
        ring = np.exp(-t[:80] / rng.uniform(2e-4, 2e-3)) * np.sin(2 * np.pi * rng.uniform(800, 6_000) * t[:80])
        sound += rng.uniform(0.2, 1.5) * _level(np.convolve(drops, ring)[:count])
    if rng.random() < 0.3:
        sound *= np.exp(np.interp(t, np.linspace(0, seconds, 8), rng.normal(0, 0.8, 8)))
    if rng.random() < 0.3:
        hum = rng.choice((50, 60, 100, 120)) * np.arange(1, 6)[:, None]
        sound += rng.uniform(0.1, 2) * (np.sin(2 * np.pi * hum * t) / np.arange(1, 6)[:, None]).sum(axis=0)
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 12))):
            start = int(rng.integers(count - RATE // 5))
            thud = np.sin(2 * np.pi * rng.uniform(60, 900) * t[: RATE // 5]) * np.exp(-t[: RATE // 5] / 0.03)
            sound[start : start + RATE // 5] += thud * rng.uniform(2, 12)
    return np.asarray(sound, np.float32)


def horn(rng: np.random.Generator) -> F32:
    """Return an arena's or a fan's horn: one to four steady rough tones."""
    t = np.arange(int(rng.uniform(0.6, 4) * RATE)) / RATE
    base = rng.uniform(200, 600)
    tones = [base * ratio for ratio in rng.choice((1.0, 1.25, 1.5, 2.0), int(rng.integers(1, 5)), replace=False)]
    sound = sum(np.sin(2 * np.pi * hz * n * t) / n**0.7 for hz in tones for n in range(1, 12) if hz * n < 7_500)
    return reverberant(np.asarray(sound, np.float32), rng)


def reverberant(sound: F32, rng: np.random.Generator, wet: float | None = None) -> F32:
    """Return the sound in a hall that takes 0.2 to 2 seconds to fall silent."""
    t = np.arange(int(RATE * 1.0)) / RATE
    tail = rng.normal(size=len(t)) * np.exp(-6.9 * t / rng.uniform(0.2, 2.0))
    echo = fftconvolve(sound, tail / np.sqrt(np.sum(tail**2)))[: len(sound)]
    share = rng.uniform(0.1, 1.0) if wet is None else wet
    return np.asarray(sound + share * echo, np.float32)


def _level(sound: NDArray[Any]) -> F32:
    return np.asarray(sound / (np.sqrt(np.mean(np.square(sound))) + 1e-9), np.float32)
