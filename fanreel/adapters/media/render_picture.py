"""The picture's half of a montage's filter graph: a source is decoded once, whatever formats are made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import ffmpeg

from fanreel.contracts import MediaInfo, MontagePlan
from fanreel.domain.montage import PlacedClip, Timeline, UprightCrop

from .render_source import Stream, exact, first_frame_s, ratio, seconds
from .render_upright import even, upright_picture

BORDER_MS = 35
"""A frame shown at a clip's start may be at most this much older. Plans keep 60 ms clear of a shot's border, of
which rounding to a frame takes 21 at most: no frame of the neighbouring shot slips in, even where one is lost."""
HOLD_MS = 2_000
"""The longest a last picture is held when the source runs dry inside a clip; beyond it the check fails."""
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """One of the films a plan is rendered to: its kind among the montage's files, and its size."""

    kind: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def is_upright(self) -> bool:
        """Tell whether it is taller than wide."""
        return self.height > self.width


@dataclass(frozen=True, slots=True)
class Part:
    """A picture that is joined to the one before it: it starts there, and its first frames overlap."""

    picture: Stream
    start_frame: int
    fade_frames: int


def film_formats(plan: MontagePlan) -> tuple[FilmFormat, ...]:
    """Return the films of a plan, the first one as `mp4`. A plan's size is that of its wide film."""
    sizes = {"16:9": (plan.width, plan.height), "9:16": (plan.height, plan.width)}
    kinds = {"16:9": "wide.mp4", "9:16": "vertical.mp4"}
    wanted = tuple(dict.fromkeys(plan.render.formats)) or ("16:9",)
    return tuple(
        FilmFormat("mp4" if index == 0 else kinds[name], *sizes[name]) for index, name in enumerate(wanted)
    )


def clip_pictures(
    reader: Stream,
    media: MediaInfo,
    placed: PlacedClip,
    timeline: Timeline,
    crop: UprightCrop | None,
    formats: Sequence[FilmFormat],
) -> list[Stream]:
    """Return one clip's picture in each format: exactly its frames, at the montage's rate, in BT.709.

    `crop` is what upright formats show; only they need one.
    """
    picture = _timed(reader, media, placed, timeline)
    work = _work_size(media, crop, formats)
    is_hdr = media.color_transfer in HDR_TRANSFERS
    if is_hdr or crop is not None:
        # A stream may change its picture's size on the way; what is cropped must not.
        picture = picture.filter("scale", *work, flags="bicubic")
    if is_hdr:
        picture = _to_sdr(picture)
    copies = [picture] if len(formats) == 1 else list(_split(picture, len(formats)))
    return [
        _finished(
            upright_picture(copy, work, media, crop, film.size)
            if crop is not None and film.is_upright
            else _wide(copy, media, film)
        )
        for copy, film in zip(copies, formats, strict=True)
    ]


def joined_picture(parts: Sequence[Part], rate: Fraction) -> Stream:
    """Fade or cut pictures into one another."""
    joined = parts[0].picture
    for part in parts[1:]:
        if part.fade_frames:
            joined = ffmpeg.filter(
                [joined, part.picture],
                "xfade",
                transition="fade",
                duration=exact(Fraction(part.fade_frames) / rate),
                offset=exact(Fraction(part.start_frame) / rate),
            )
        else:
            joined = ffmpeg.concat(joined, part.picture, v=1, a=0).filter("fps", fps=ratio(rate))
    return joined


def _timed(reader: Stream, media: MediaInfo, placed: PlacedClip, timeline: Timeline) -> Stream:
    """Return the clip's frames on the output's grid, its slow motion played slowly."""
    picture = (
        reader[str(media.video_index)]
        # In microseconds: in a container's own ticks (a frame each in AVI) the shift would be cut to whole ones.
        .filter("settb", "1/1000000")
        .filter("setpts", f"PTS-{round(first_frame_s(media, placed, timeline) * 1_000_000)}")
        .filter("trim", start=seconds(-BORDER_MS))
    )
    slow = next((piece for piece in placed.pieces if piece.factor > 1), None)
    if media.interlaced:
        # Fields are moments of their own: slowed down, each is shown.
        picture = picture.filter("bwdif", mode="send_field" if slow else "send_frame", deint="interlaced")
    if slow is not None:
        start_s = Fraction(slow.source_frame - placed.source_frame) / timeline.rate
        length_s = Fraction(slow.source_frames) / timeline.rate
        # Every frame of the source takes its place on the stretched clock: of 50 pictures a second all are seen at
        # half speed. Where there are too few, each stands longer: making up pictures in between is far too slow.
        stretch = f"clip(T-{exact(start_s)},0,{exact(length_s)})/TB"
        picture = picture.filter("setpts", f"PTS+{slow.factor - 1}*{stretch}")
    return (
        picture.filter("fps", fps=ratio(timeline.rate), start_time=0)
        .filter("tpad", stop_mode="clone", stop_duration=seconds(HOLD_MS))
        .filter("trim", end_frame=placed.frames)
        .filter("setpts", "PTS-STARTPTS")
    )


def _work_size(media: MediaInfo, crop: UprightCrop | None, formats: Sequence[FilmFormat]) -> tuple[int, int]:
    """Return the size a picture is worked on in: its own as displayed, or less where all films are smaller."""
    shown = {film: crop.width if crop is not None and film.is_upright else media.width for film in formats}
    scale = min(1.0, max(min(film.width / shown[film], film.height / media.height) for film in formats))
    return even(media.width * scale), even(media.height * scale)


def _wide(picture: Stream, media: MediaInfo, film: FilmFormat) -> Stream:
    scale = min(Fraction(film.width, media.width), Fraction(film.height, media.height))
    # Even sizes for 4:2:0; rotation was applied by the reader, sample aspect is part of the probed size.
    return (
        picture.filter(
            "scale",
            even(media.width * scale),
            even(media.height * scale),
            flags="bicubic",
            out_color_matrix="bt709",
            out_range="tv",
        )
        .filter("format", "yuv420p")
        .filter("pad", film.width, film.height, "(ow-iw)/2", "(oh-ih)/2")
    )


def _finished(picture: Stream) -> Stream:
    return (
        picture.filter("format", "yuv420p")
        .filter("setsar", 1)
        .filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
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


def _split(picture: Stream, count: int) -> Sequence[Stream]:
    both = picture.filter_multi_output("split", count)
    return [both[index] for index in range(count)]
