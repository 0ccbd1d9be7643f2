"""The sound's half of a montage's filter graph."""

from dataclasses import dataclass

import ffmpeg

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import Timeline

from .render_source import PREROLL_MS, Stream, exact, first_frame_s, seconds

SAMPLE_RATE = 48_000
SEAM_MS = 10
"""Fade at the very ends, and at hard cuts: removes the click of a wave cut away from zero."""
TARGET = {"I": -16, "TP": -1.5, "LRA": 11}
"""−16 LUFS (DESIGN §7), true peak −1.5 dB so that AAC does not clip; 11 LU is loudnorm's room for dynamics."""
MAX_GAIN_DB = 20
"""More would make a silent stand's hiss as loud as a goal."""
DENOISE_DELAY = SAMPLE_RATE // 40
"""afftdn gives everything out this many samples late, stamps unchanged (two of its windows' steps, each 1/80 s:
libavfilter/af_afftdn.c; an impulse comes out 1200 samples late at 48 kHz). 25 ms would be lip-sync lost."""


@dataclass(frozen=True, slots=True)
class Loudness:
    """What loudnorm measured (EBU R 128): integrated LUFS, true peak dBTP, range LU, gate LUFS."""

    integrated: float
    true_peak: float
    loudness_range: float
    threshold: float


def joined_sound(readers: list[Stream], medias: list[MediaInfo], timeline: Timeline) -> Stream:
    """Cross the clips' sounds into one another and clean the whole."""
    raw = _sounds(readers, medias, timeline)
    sounds = [_fitted(sound, index, timeline) for index, sound in enumerate(raw)]
    joined = sounds[0]
    for index, sound in enumerate(sounds[1:], start=1):
        before, placed = timeline.clips[index - 1], timeline.clips[index]
        overlap = timeline.samples(before.end_frame, SAMPLE_RATE) - timeline.samples(
            placed.start_frame, SAMPLE_RATE
        )
        if placed.fade_frames:
            # Equal power: two unrelated sounds keep their loudness through the crossing.
            joined = ffmpeg.filter([joined, sound], "acrossfade", nb_samples=overlap, curve1="qsin", curve2="qsin")
        else:
            joined = ffmpeg.concat(joined, sound, v=0, a=1)
    # Lightly: at 6 dB a commentator still sounds like one.
    return (
        joined.filter("apad", pad_len=DENOISE_DELAY)
        .filter("afftdn", noise_reduction=6, noise_floor=-50)
        .filter("atrim", start_sample=DENOISE_DELAY)
        .filter("asetpts", "PTS-STARTPTS")
    )


def levelled(sound: Stream, loudness: Loudness) -> Stream:
    """Bring the sound to the target by the measured gain."""
    target = {**TARGET, "I": min(TARGET["I"], loudness.integrated + MAX_GAIN_DB)}
    return (
        sound.filter(
            "loudnorm",
            **target,
            linear="true",
            measured_I=loudness.integrated,
            measured_TP=loudness.true_peak,
            measured_LRA=loudness.loudness_range,
            measured_thresh=loudness.threshold,
        )
        # loudnorm keeps every sample but can stamp its last ones 80 ms late; no sample is missing, so count.
        .filter("asetpts", "N/SR/TB")
        .filter("aresample", SAMPLE_RATE)
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
    )


def _sounds(readers: list[Stream], medias: list[MediaInfo], timeline: Timeline) -> list[Stream]:
    """Return each clip's raw sound on the clip's own clock; silence where its source has none."""
    mute = sum(not media.audio for media in medias)
    silence = ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", f="lavfi", t=seconds(PREROLL_MS))
    silences = iter(range(mute))
    split = silence.filter_multi_output("asplit", mute) if mute else None
    sounds: list[Stream] = []
    for reader, media, placed in zip(readers, medias, timeline.clips, strict=True):
        if split is not None and not media.audio:
            sounds.append(split[next(silences)])
            continue
        sounds.append(
            reader[str(media.audio[0].index)]
            .filter("asetpts", f"PTS-{exact(first_frame_s(media, placed, timeline))}/TB")
            .filter("atrim", start=0)
            # Gaps in the stamps become silence, overlaps are cut: the rest stays where it belongs.
            .filter("aresample", SAMPLE_RATE, first_pts=0, min_hard_comp=0.02, **{"async": 1})
        )
    return sounds


def _fitted(sound: Stream, index: int, timeline: Timeline) -> Stream:
    """Bring one clip's sound to exactly its length of 48 kHz stereo; fade where no crossfade does."""
    placed, following = timeline.clips[index], timeline.clips[index + 1 : index + 2]
    first = timeline.samples(placed.start_frame, SAMPLE_RATE)
    length = timeline.samples(placed.end_frame, SAMPLE_RATE) - first
    sound = (
        sound.filter("aformat", sample_fmts="fltp", sample_rates=SAMPLE_RATE, channel_layouts="stereo")
        .filter("apad")
        .filter("atrim", end_sample=length)
        .filter("asetpts", "PTS-STARTPTS")
    )
    seam = SAMPLE_RATE * SEAM_MS // 1000
    if placed.fade_frames == 0:
        sound = sound.filter("afade", type="in", start_sample=0, nb_samples=seam)
    if not following or following[0].fade_frames == 0:
        sound = sound.filter("afade", type="out", start_sample=length - seam, nb_samples=seam)
    return sound
