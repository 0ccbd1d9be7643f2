"""Made-up songs as standard MIDI files: chords, a bass, a tune and drums, drawn at random."""

import struct

import numpy as np

TICKS = 480
MELODIC = (0, 4, 11, 16, 19, 24, 25, 27, 29, 30, 33, 40, 48, 52, 53, 56, 60, 61, 65, 73, 80, 81, 89)
"""General MIDI programs from piano to pads, choirs and distorted guitars among them."""
BASSES = (32, 33, 34, 38)
APPLAUSE = 126
SCALE = (0, 2, 4, 5, 7, 9, 11)
CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16))
KICK, SNARE, CLAP, HAT = 36, 38, 39, 42

Note = tuple[float, float, int, int, int]
"""Start and length in beats, channel, key, velocity."""


def random_song(rng: np.random.Generator, seconds: float) -> bytes:
    """Return a song of about this length; some are a tune alone, some drums alone, most have everything."""
    beats_per_minute = float(rng.uniform(70, 170))
    beats = int(seconds * beats_per_minute / 60)
    key, parts = int(rng.integers(48, 60)), rng.random(4) < (0.75, 0.65, 0.7, 0.6)
    if not parts.any():
        parts[2] = True
    notes: list[Note] = []
    programs = {0: int(rng.choice(MELODIC)), 1: int(rng.choice(BASSES)), 2: int(rng.choice(MELODIC))}
    for bar in range(0, beats, 4):
        chord = CHORDS[int(rng.integers(len(CHORDS)))]
        if parts[0]:
            notes += [(bar, 3.9, 0, key + each, 80) for each in chord]
        if parts[1]:
            notes += [(bar + beat, 0.9, 1, key - 12 + chord[0], 95) for beat in range(4)]
        if parts[2]:
            notes += _tune(rng, bar, key + 12)
        if parts[3]:
            notes += _drums(rng, bar)
    return write_midi(notes, programs, beats_per_minute)


def applause_notes(rng: np.random.Generator, seconds: float) -> bytes:
    """Return the sound font's applause, held for this long at drawn pitches."""
    keys = rng.choice(np.arange(50, 72), 3, replace=False)
    return write_midi([(0.0, 2 * seconds, 0, int(key), 100) for key in keys], {0: APPLAUSE}, 120.0)


def _tune(rng: np.random.Generator, bar: int, key: int) -> list[Note]:
    notes: list[Note] = []
    at = 0.0
    while at < 4:
        length = float(rng.choice((0.5, 0.5, 1.0, 1.0, 2.0)))
        if rng.random() < 0.85:
            pitch = key + int(rng.choice(SCALE)) + 12 * int(rng.integers(0, 2))
            notes.append((bar + at, length * 0.95, 2, pitch, int(rng.integers(70, 115))))
        at += length
    return notes


def _drums(rng: np.random.Generator, bar: int) -> list[Note]:
    back = CLAP if rng.random() < 0.3 else SNARE
    hits = [(bar + beat, 0.2, 9, KICK if beat % 2 == 0 else back, 105) for beat in range(4)]
    return [*hits, *((bar + half / 2, 0.1, 9, HAT, int(rng.integers(50, 90))) for half in range(8))]


def write_midi(notes: list[Note], programs: dict[int, int], beats_per_minute: float) -> bytes:
    """Return a one-track standard MIDI file."""
    events = [(0, 0, bytes((0xC0 | channel, program))) for channel, program in programs.items()]
    for start, length, channel, key, velocity in notes:
        events.append((round(start * TICKS), 2, bytes((0x90 | channel, key, velocity))))
        events.append((round((start + length) * TICKS), 1, bytes((0x80 | channel, key, 0))))
    tempo = round(60_000_000 / beats_per_minute)
    track = b"\x00\xff\x51\x03" + tempo.to_bytes(3, "big")
    now = 0
    for at, _, event in sorted(events):
        track += _variable(at - now) + event
        now = at
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append((number & 0x7F) | 0x80)
    return bytes(reversed(groups))
