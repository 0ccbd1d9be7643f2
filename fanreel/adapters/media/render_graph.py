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
"""Read this much before and after a clip: seeking is by keyframe and sound lags the picture in the file."""
BORDER_MS = 50
"""A frame shown at a clip's start may be at most this much older. Plans keep more than that clear of a shot's
border, so a frame of the neighbouring shot cannot slip in even where the source has lost frames."""
HOLD_MS = 2_000
"""The longest a last picture is held when the source runs dry inside a clip; beyond it the check fails."""
SEAM_MS = 10
"""Fade at the very ends, and at hard cuts: removes the click of a wave cut away from zero."""
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})

Stream = Any
"""A node of ffmpeg-python's graph; the package has no types."""


@dataclass(frozen=True, slots=True)
class RenderSource:
    """Where a broadcast can be read: an http(s) URL (its signature is never logged) or a local path."""

    url_or_path: str
    media: MediaInfo

    @property
    def is_url(self) -> bool:
        """Tell whether it is read over the network."""
        return self.url_or_path.startswith(("http://", "https://"))


def build_graph(
    plan: MontagePlan, timeline: Timeline, sources: Mapping[str, RenderSource], out: Path, *, binary: str
) -> list[str]:
    """Return the complete ffmpeg command that renders a plan to an MP4 (H.264 High + AAC, faststart)."""
    pictures: list[Stream] = []
    sounds: list[Stream] = []
    for placed in timeline.clips:
        source = sources[placed.clip.video_id]
        reader = _reader(source, placed)
        pictures.append(_picture(reader, source.media, placed, timeline, plan))
        sounds.append(_sound(reader, source.media, placed, timeline))
    picture = _join_pictures(pictures, timeline)
    sound = _level(_join_sounds(sounds, timeline), timeline)
    command: list[str] = (
        ffmpeg.output(picture, sound, f"file:{out}", **_encoding(timeline.rate))
        .global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-copyts")
        .global_args("-progress", "pipe:1")
        .overwrite_output()
        .compile(cmd=binary)
    )
    return command


def _reader(source: RenderSource, placed: PlacedClip) -> Stream:
    """Open a source around one clip; only the container it was probed as, nothing it may point to."""
    clip = placed.clip
    from_ms = clip.start_ms - source.media.container_start_ms - PREROLL_MS
    until_ms = clip.end_ms - source.media.container_start_ms + PREROLL_MS
    options: dict[str, Any] = {
        "t": _seconds(until_ms - max(0, from_ms)),
        "threads": 2,
        "format_whitelist": source.media.container,
        # A frame that changes size in mid-stream is scaled; it must not restart the whole graph.
        "reinit_filter:v": 0,
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
        .filter("setpts", f"PTS-{_zero(media, placed)}/TB")
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


def _sound(reader: Stream, media: MediaInfo, placed: PlacedClip, timeline: Timeline) -> Stream:
    """Return exactly the clip's length of 48 kHz stereo: silence where the source has none."""
    first = timeline.samples(placed.start_frame, SAMPLE_RATE)
    length = timeline.samples(placed.end_frame, SAMPLE_RATE) - first
    if not media.audio:
        silence = ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", f="lavfi", t=_seconds(PREROLL_MS))
        sound = silence.audio.filter("asetpts", "PTS-STARTPTS")
    else:
        sound = (
            reader[str(media.audio[0].index)]
            .filter("asetpts", f"PTS-{_zero(media, placed)}/TB")
            .filter("atrim", start=0)
            # Gaps in the stamps become silence, overlaps are cut: the rest stays where it belongs.
            .filter("aresample", SAMPLE_RATE, first_pts=0, min_hard_comp=0.02, **{"async": 1})
        )
    sound = (
        sound.filter("aformat", sample_fmts="fltp", sample_rates=SAMPLE_RATE, channel_layouts="stereo")
        .filter("apad")
        .filter("atrim", end_sample=length)
        .filter("asetpts", "PTS-STARTPTS")
    )
    seam = SAMPLE_RATE * SEAM_MS // 1000
    if placed.fade_frames == 0:
        sound = sound.filter("afade", type="in", start_sample=0, nb_samples=seam)
    followers = [other for other in timeline.clips if other.start_frame > placed.start_frame]
    if not followers or followers[0].fade_frames == 0:
        sound = sound.filter("afade", type="out", start_sample=length - seam, nb_samples=seam)
    return sound


def _join_pictures(pictures: list[Stream], timeline: Timeline) -> Stream:
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


def _join_sounds(sounds: list[Stream], timeline: Timeline) -> Stream:
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
    return joined


def _level(sound: Stream, timeline: Timeline) -> Stream:
    """Clean lightly (6 dB: commentary stays natural) and bring to −16 LUFS, −1.5 dB true peak (DESIGN §7)."""
    return (
        sound.filter("afftdn", noise_reduction=6, noise_floor=-50)
        .filter("loudnorm", I=-16, TP=-1.5, LRA=11)
        .filter("aresample", SAMPLE_RATE)
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
        .filter("apad")
        .filter("atrim", end_sample=timeline.samples(timeline.frames, SAMPLE_RATE))
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


def _zero(media: MediaInfo, placed: PlacedClip) -> str:
    """Return the clip's start on the source's own clock, in seconds."""
    return _exact(media.origin_pts * media.time_base.fraction() + Fraction(placed.clip.start_ms, 1000))


def _exact(seconds: Fraction) -> str:
    return f"{float(seconds):.9f}"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def _ratio(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def _even(size: Fraction) -> int:
    return max(2, round(size / 2) * 2)
