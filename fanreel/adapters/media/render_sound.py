"""The sound's half of a montage's filter graph: the clips' sounds, one after the other, to the sample."""

from collections.abc import Iterator

import ffmpeg

from fanreel.contracts import MediaInfo
from fanreel.domain.montage import Piece, PlacedClip, Timeline

from .render_source import PREROLL_MS, Stream, exact, first_frame_s, seconds

SAMPLE_RATE = 48_000
SEAM_MS = 10
"""Fade at the very ends, and at hard cuts: removes the click of a wave cut away from zero."""
STRETCH_LEAD = 512
"""rubberband gives a sound played `factor` times as long out this many samples × (factor − 1) early, at 48 kHz:
tone bursts come out 10.7 ms early at 2 and 21.3 ms at 3. (atempo wanders by 12 ms around its place.)"""
STRETCH_RUN_UP = SAMPLE_RATE // 4
"""Given to it before and after the piece: in the first 0.2 s it wanders by 10 ms, at the end it smears the cut."""

_Placed = tuple[Stream, int, int, int]
"""A sound and its samples on the film's clock: first, the one after its last, how many cross what is before."""


def joined_sound(readers: list[Stream], medias: list[MediaInfo], timeline: Timeline) -> Stream:
    """Cross the clips' sounds into one another; cards are silent, what is beside them fades in and out."""
    parts = _placed(readers, medias, timeline)
    joined = _faded(parts[0], fade_in=True, fade_out=_cuts(parts, 1))
    for index, part in enumerate(parts[1:], start=1):
        _, _, _, overlap = part
        sound = _faded(part, fade_in=overlap == 0, fade_out=_cuts(parts, index + 1))
        if overlap:
            # Equal power: two unrelated sounds keep their loudness through the crossing.
            joined = ffmpeg.filter([joined, sound], "acrossfade", nb_samples=overlap, curve1="qsin", curve2="qsin")
        else:
            joined = ffmpeg.concat(joined, sound, v=0, a=1)
    return joined


def fitted(sound: Stream, samples: int) -> Stream:
    """Make a sound exactly so many samples of 48 kHz stereo, its stamps counted from 0."""
    return (
        sound.filter("aformat", sample_fmts="fltp", sample_rates=SAMPLE_RATE, channel_layouts="stereo")
        .filter("apad")
        .filter("atrim", end_sample=samples)
        .filter("asetpts", "N/SR/TB")
    )


def _placed(readers: list[Stream], medias: list[MediaInfo], timeline: Timeline) -> list[_Placed]:
    """Return title card, clips and end card in order, each fitted to its place."""
    mute = sum(not media.audio for media in medias)
    silences = _silences(mute + (timeline.intro_frames > 0) + (timeline.outro_frames > 0))
    places = [(placed.start_frame, placed.end_frame, placed.fade_frames) for placed in timeline.clips]
    sounds: list[Stream] = []
    for reader, media, placed in zip(readers, medias, timeline.clips, strict=True):
        sounds.append(
            _paced(_clip_sound(reader, media, placed, timeline), placed, timeline)
            if media.audio
            else next(silences)
        )
    if timeline.intro_frames:
        sounds.insert(0, next(silences))
        places.insert(0, (0, timeline.intro_frames, 0))
    if timeline.outro_frames:
        sounds.append(next(silences))
        places.append((timeline.frames - timeline.outro_frames, timeline.frames, timeline.outro_fade_frames))
    placed_sounds: list[_Placed] = []
    for sound, (start_frame, end_frame, fade_frames) in zip(sounds, places, strict=True):
        first = timeline.samples(start_frame, SAMPLE_RATE)
        after = timeline.samples(end_frame, SAMPLE_RATE)
        overlap = timeline.samples(start_frame + fade_frames, SAMPLE_RATE) - first
        placed_sounds.append((fitted(sound, after - first), first, after, overlap))
    return placed_sounds


def _silences(count: int) -> Iterator[Stream]:
    if count == 0:
        return
    silence = ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", f="lavfi", t=seconds(PREROLL_MS))
    split = silence.filter_multi_output("asplit", count)
    yield from (split[index] for index in range(count))


def _clip_sound(reader: Stream, media: MediaInfo, placed: PlacedClip, timeline: Timeline) -> Stream:
    """Return a clip's raw sound on the clip's own clock."""
    return (
        reader[str(media.audio[0].index)]
        .filter("asetpts", f"PTS-{exact(first_frame_s(media, placed, timeline))}/TB")
        .filter("atrim", start=0)
        # Gaps in the stamps become silence, overlaps are cut: the rest stays where it belongs.
        .filter("aresample", SAMPLE_RATE, first_pts=0, min_hard_comp=0.02, **{"async": 1})
    )


def _paced(sound: Stream, placed: PlacedClip, timeline: Timeline) -> Stream:
    """Play a clip's sound as slowly as its pictures, its pitch unchanged."""
    if all(piece.factor == 1 for piece in placed.pieces):
        return sound
    sound = sound.filter("aformat", sample_fmts="fltp", sample_rates=SAMPLE_RATE, channel_layouts="stereo")
    split = sound.filter_multi_output("asplit", len(placed.pieces))
    paced: Stream = None
    for index, piece in enumerate(placed.pieces):
        is_last = index + 1 == len(placed.pieces)
        part = _piece_sound(split[index], piece, placed, timeline, 0 if is_last else _SEAM)
        # The end of one piece and the beginning of the next are the same moment of the source.
        paced = part if paced is None else ffmpeg.filter([paced, part], "acrossfade", nb_samples=_SEAM)
    return paced


def _piece_sound(sound: Stream, piece: Piece, placed: PlacedClip, timeline: Timeline, more: int) -> Stream:
    """Cut one piece out of its clip's sound, `more` samples longer than it is shown."""
    first = timeline.samples(piece.source_frame, SAMPLE_RATE) - timeline.samples(placed.source_frame, SAMPLE_RATE)
    length = (
        timeline.samples(piece.end_frame, SAMPLE_RATE) - timeline.samples(piece.start_frame, SAMPLE_RATE) + more
    )
    if piece.factor == 1:
        part = sound.filter("atrim", start_sample=first, end_sample=first + length)
    else:
        after = first + 2 * STRETCH_RUN_UP + -(-length // piece.factor)
        part = (
            sound.filter("adelay", f"{STRETCH_RUN_UP}S", all=1)
            .filter("atrim", start_sample=first, end_sample=after)
            .filter("asetpts", "PTS-STARTPTS")
            .filter("apad", pad_len=STRETCH_RUN_UP)
            .filter("rubberband", tempo=1 / piece.factor, transients="smooth")
            .filter("atrim", start_sample=STRETCH_RUN_UP * piece.factor - STRETCH_LEAD * (piece.factor - 1))
        )
    return fitted(part.filter("asetpts", "PTS-STARTPTS"), length)


def _cuts(parts: list[_Placed], index: int) -> bool:
    """Tell whether part `index` begins without a crossing, or is not there."""
    return index >= len(parts) or parts[index][3] == 0


def _faded(part: _Placed, *, fade_in: bool, fade_out: bool) -> Stream:
    sound, first, after, _ = part
    seam = min(_SEAM, (after - first) // 2)
    if fade_in:
        sound = sound.filter("afade", type="in", start_sample=0, nb_samples=seam)
    if fade_out:
        sound = sound.filter("afade", type="out", start_sample=after - first - seam, nb_samples=seam)
    return sound


_SEAM = SAMPLE_RATE * SEAM_MS // 1000
