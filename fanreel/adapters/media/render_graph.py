"""The one ffmpeg filter graph of a montage.

Cuts are made on absolute time stamps (`-copyts`): `-ss` and `-t` only bring the reader near, the graph
trims to the exact time. So neither the container's start time nor where its keyframes lie can move a cut,
and sound is placed by its own stamps against the same zero as the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from fanreel.contracts import MediaInfo, MontagePlan
from fanreel.domain.montage import PlacedClip, Timeline

from .picture import HD_HEIGHT

SAMPLE_RATE = 48_000
PREROLL_MS = 1_000
"""Read this much before and after a clip: sound lags the picture in the file."""
UNINDEXED_PREROLL_MS = 6_000
"""The same where the container lists no keyframes (transport streams): seeking lands up to one keyframe interval
late, and broadcasts have one at least every 5 s."""
BORDER_MS = 35
"""A frame shown at a clip's start may be at most this much older. Plans keep 60 ms clear of a shot's border, of
which rounding to a frame takes 21 at most: no frame of the neighbouring shot slips in, even where one is lost."""
HOLD_MS = 2_000
"""The longest a last picture is held when the source runs dry inside a clip; beyond it the check fails."""
SEAM_MS = 10
"""Fade at the very ends, and at hard cuts: removes the click of a wave cut away from zero."""
_TARGET = {"I": -16, "TP": -1.5, "LRA": 11}
"""−16 LUFS (DESIGN §7), true peak −1.5 dB so that AAC does not clip; 11 LU is loudnorm's room for dynamics."""
MAX_GAIN_DB = 20
"""More would make a silent stand's hiss as loud as a goal."""
DENOISE_DELAY = SAMPLE_RATE // 40
"""afftdn gives everything out this many samples late, stamps unchanged (two of its windows' steps, each 1/80 s:
libavfilter/af_afftdn.c; an impulse comes out 1200 samples late at 48 kHz). 25 ms would be lip-sync lost."""
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})

Stream = Any
"""A node of ffmpeg-python's graph; the package has no types."""


@dataclass(frozen=True, slots=True)
class Loudness:
    """What loudnorm measured (EBU R 128): integrated LUFS, true peak dBTP, range LU, gate LUFS."""

    integrated: float
    true_peak: float
    loudness_range: float
    threshold: float


@dataclass(frozen=True, slots=True)
class RenderSource:
    """Where a broadcast can be read: an http(s) URL (its signature is never logged) or a local path."""

    url_or_path: str
    media: MediaInfo

    @property
    def is_url(self) -> bool:
        """Tell whether it is read over the network."""
        return self.url_or_path.startswith(("http://", "https://"))


def film_command(
    plan: MontagePlan,
    timeline: Timeline,
    sources: Mapping[str, RenderSource],
    loudness: Loudness | None,
    out: Path,
    *,
    binary: str,
) -> list[str]:
    """Return the ffmpeg command that renders a plan to an MP4 (H.264 High + AAC, faststart).

    `loudness` is what `loudness_command` measured; None leaves the sound's level as it is.
    """
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    # Sound and picture are read apart: levelling runs seconds ahead with the sound, and pictures that came along
    # would wait in memory, decoded, for hundreds of frames.
    readers = [_reader(sources[placed.clip.video_id], placed, an=None) for placed in timeline.clips]
    listeners = [_reader(sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    pictures = [
        _picture(reader, media, placed, timeline, plan)
        for reader, media, placed in zip(readers, medias, timeline.clips, strict=True)
    ]
    sound = _joined_sound(listeners, medias, timeline)
    if loudness is not None:
        sound = _levelled(sound, loudness)
    sound = sound.filter("apad").filter("atrim", end_sample=timeline.samples(timeline.frames, SAMPLE_RATE))
    output = ffmpeg.output(
        _joined_picture(pictures, timeline), sound, f"file:{out}", **_encoding(timeline.rate)
    ).overwrite_output()
    return _compiled(output, binary, loglevel="warning")


def loudness_command(timeline: Timeline, sources: Mapping[str, RenderSource], *, binary: str) -> list[str]:
    """Return the ffmpeg command that tells, as JSON at the end of stderr, how loud the joined sound is.

    Reads no pictures. Levelling in one pass is off by 1–2 LU on half a minute; by a known gain it is exact
    and keeps the dynamics of a cheer.
    """
    medias = [sources[placed.clip.video_id].media for placed in timeline.clips]
    readers = [_reader(sources[placed.clip.video_id], placed, vn=None) for placed in timeline.clips]
    measured = _joined_sound(readers, medias, timeline).filter("loudnorm", print_format="json", **_TARGET)
    return _compiled(ffmpeg.output(measured, "-", format="null"), binary, loglevel="info")


def _compiled(output: Stream, binary: str, *, loglevel: str) -> list[str]:
    command: list[str] = (
        output.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", loglevel, "-copyts")
        .global_args("-progress", "pipe:1")
        .compile(cmd=binary)
    )
    return command


def _reader(source: RenderSource, placed: PlacedClip, **extra: Any) -> Stream:
    """Open a source around one clip; only the container it was probed as, nothing it may point to."""
    clip = placed.clip
    preroll_ms = PREROLL_MS if source.media.keyframes_ms else UNINDEXED_PREROLL_MS
    from_ms = clip.start_ms - source.media.container_start_ms - preroll_ms
    until_ms = clip.end_ms - source.media.container_start_ms + PREROLL_MS
    options: dict[str, Any] = {
        "t": _seconds(until_ms - max(0, from_ms)),
        "threads": 2,
        "format_whitelist": source.media.container,
        # A frame that changes size in mid-stream is scaled; it must not restart the whole graph.
        "reinit_filter:v": 0,
        **extra,
    }
    if source.media.coded_height >= HD_HEIGHT:
        # What an untagged stream counts as; a tagged one says it itself.
        options["colorspace:v"] = "bt709"
    if from_ms > 0:
        options["ss"] = _seconds(from_ms)
    if not source.is_url:
        return ffmpeg.input(f"file:{Path(source.url_or_path).absolute()}", protocol_whitelist="file", **options)
    network = {
        "protocol_whitelist": "http,https,tcp,tls",
        "reconnect": 1,
        "reconnect_on_network_error": 1,
        "reconnect_on_http_error": "429,5xx",
        "reconnect_delay_max": 4,
        "rw_timeout": 30_000_000,
    }
    return ffmpeg.input(source.url_or_path, **network, **options)


def _picture(
    reader: Stream, media: MediaInfo, placed: PlacedClip, timeline: Timeline, plan: MontagePlan
) -> Stream:
    scale = min(Fraction(plan.width, media.width), Fraction(plan.height, media.height))
    width, height = _even(media.width * scale), _even(media.height * scale)
    picture = (
        reader[str(media.video_index)]
        # In microseconds: in a container's own ticks (a frame each in AVI) the shift would be cut to whole ones.
        .filter("settb", "1/1000000")
        .filter("setpts", f"PTS-{round(_zero(media, placed, timeline) * 1_000_000)}")
        .filter("trim", start=_seconds(-BORDER_MS))
    )
    if media.interlaced:
        picture = picture.filter("bwdif", mode="send_frame", deint="interlaced")
    picture = picture.filter("fps", fps=_ratio(timeline.rate), start_time=0)
    # Even sizes for 4:2:0; rotation was applied by the reader, sample aspect is part of the probed size.
    picture = picture.filter("scale", width, height, flags="bicubic", out_color_matrix="bt709", out_range="tv")
    if media.color_transfer in HDR_TRANSFERS:
        picture = _to_sdr(picture)
    return (
        picture.filter("format", "yuv420p")
        .filter("pad", plan.width, plan.height, "(ow-iw)/2", "(oh-ih)/2")
        .filter("setsar", 1)
        .filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
        .filter("tpad", stop_mode="clone", stop_duration=_seconds(HOLD_MS))
        .filter("trim", end_frame=placed.frames)
        .filter("setpts", "PTS-STARTPTS")
    )


def _to_sdr(picture: Stream) -> Stream:
    """Map PQ or HLG to BT.709 (the zscale + hable chain of ffmpeg's documentation)."""
    return (
        picture.filter("zscale", transfer="linear", npl=100)
        .filter("format", "gbrpf32le")
        .filter("zscale", primaries="bt709")
        .filter("tonemap", tonemap="hable", desat=0)
        .filter("zscale", transfer="bt709", matrix="bt709", range="limited")
    )


def _sounds(readers: list[Stream], medias: list[MediaInfo], timeline: Timeline) -> list[Stream]:
    """Return each clip's raw sound on the clip's own clock; silence where its source has none."""
    mute = sum(not media.audio for media in medias)
    silence = ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", f="lavfi", t=_seconds(PREROLL_MS))
    silences = iter(range(mute))
    split = silence.filter_multi_output("asplit", mute) if mute else None
    sounds: list[Stream] = []
    for reader, media, placed in zip(readers, medias, timeline.clips, strict=True):
        if split is not None and not media.audio:
            sounds.append(split[next(silences)])
            continue
        sounds.append(
            reader[str(media.audio[0].index)]
            .filter("asetpts", f"PTS-{_exact(_zero(media, placed, timeline))}/TB")
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


def _joined_picture(pictures: list[Stream], timeline: Timeline) -> Stream:
    joined = pictures[0]
    for picture, placed in zip(pictures[1:], timeline.clips[1:], strict=True):
        if placed.fade_frames:
            joined = ffmpeg.filter(
                [joined, picture],
                "xfade",
                transition="fade",
                duration=_exact(Fraction(placed.fade_frames) / timeline.rate),
                offset=_exact(Fraction(placed.start_frame) / timeline.rate),
            )
        else:
            joined = ffmpeg.concat(joined, picture, v=1, a=0).filter("fps", fps=_ratio(timeline.rate))
    return joined


def _joined_sound(readers: list[Stream], medias: list[MediaInfo], timeline: Timeline) -> Stream:
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


def _levelled(sound: Stream, loudness: Loudness) -> Stream:
    """Bring the sound to the target by the measured gain."""
    target = {**_TARGET, "I": min(_TARGET["I"], loudness.integrated + MAX_GAIN_DB)}
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


def _encoding(rate: Fraction) -> dict[str, Any]:
    return {
        "format": "mp4",
        "c:v": "libx264",
        # 720p within half its own length on two cores (DESIGN §11).
        "preset": "veryfast",
        "crf": 21,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "r": _ratio(rate),
        # Scrubbing on a phone wants a keyframe every two seconds.
        "g": round(rate * 2),
        "c:a": "aac",
        "b:a": "160k",
        "ar": SAMPLE_RATE,
        "ac": 2,
        "movflags": "+faststart",
        "map_metadata": -1,
    }


def _zero(media: MediaInfo, placed: PlacedClip, timeline: Timeline) -> Fraction:
    """Return the clip's first frame on the source's own clock, in seconds."""
    return media.origin_pts * media.time_base.fraction() + placed.source_frame / timeline.rate


def _exact(seconds: Fraction) -> str:
    return f"{float(seconds):.9f}"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def _ratio(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def _even(size: Fraction) -> int:
    return max(2, round(size / 2) * 2)
