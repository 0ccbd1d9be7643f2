"""The picture's half of a montage's filter graph."""

from fractions import Fraction

import ffmpeg

from fanreel.contracts import MediaInfo, MontagePlan
from fanreel.domain.montage import PlacedClip, Timeline

from .render_source import Stream, exact, first_frame_s, ratio, seconds

BORDER_MS = 35
"""A frame shown at a clip's start may be at most this much older. Plans keep 60 ms clear of a shot's border, of
which rounding to a frame takes 21 at most: no frame of the neighbouring shot slips in, even where one is lost."""
HOLD_MS = 2_000
"""The longest a last picture is held when the source runs dry inside a clip; beyond it the check fails."""
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})


def clip_picture(
    reader: Stream, media: MediaInfo, placed: PlacedClip, timeline: Timeline, plan: MontagePlan
) -> Stream:
    """Return one clip's picture: exactly its frames, at the montage's rate and size, in BT.709."""
    scale = min(Fraction(plan.width, media.width), Fraction(plan.height, media.height))
    width, height = _even(media.width * scale), _even(media.height * scale)
    picture = (
        reader[str(media.video_index)]
        # In microseconds: in a container's own ticks (a frame each in AVI) the shift would be cut to whole ones.
        .filter("settb", "1/1000000")
        .filter("setpts", f"PTS-{round(first_frame_s(media, placed, timeline) * 1_000_000)}")
        .filter("trim", start=seconds(-BORDER_MS))
    )
    if media.interlaced:
        picture = picture.filter("bwdif", mode="send_frame", deint="interlaced")
    picture = picture.filter("fps", fps=ratio(timeline.rate), start_time=0)
    # Even sizes for 4:2:0; rotation was applied by the reader, sample aspect is part of the probed size.
    picture = picture.filter("scale", width, height, flags="bicubic", out_color_matrix="bt709", out_range="tv")
    if media.color_transfer in HDR_TRANSFERS:
        picture = _to_sdr(picture)
    return (
        picture.filter("format", "yuv420p")
        .filter("pad", plan.width, plan.height, "(ow-iw)/2", "(oh-ih)/2")
        .filter("setsar", 1)
        .filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
        .filter("tpad", stop_mode="clone", stop_duration=seconds(HOLD_MS))
        .filter("trim", end_frame=placed.frames)
        .filter("setpts", "PTS-STARTPTS")
    )


def joined_picture(pictures: list[Stream], timeline: Timeline) -> Stream:
    """Fade or cut the clips' pictures into one another."""
    joined = pictures[0]
    for picture, placed in zip(pictures[1:], timeline.clips[1:], strict=True):
        if placed.fade_frames:
            joined = ffmpeg.filter(
                [joined, picture],
                "xfade",
                transition="fade",
                duration=exact(Fraction(placed.fade_frames) / timeline.rate),
                offset=exact(Fraction(placed.start_frame) / timeline.rate),
            )
        else:
            joined = ffmpeg.concat(joined, picture, v=1, a=0).filter("fps", fps=ratio(timeline.rate))
    return joined


def _to_sdr(picture: Stream) -> Stream:
    """Map PQ or HLG to BT.709 (the zscale + hable chain of ffmpeg's documentation)."""
    return (
        picture.filter("zscale", transfer="linear", npl=100)
        .filter("format", "gbrpf32le")
        .filter("zscale", primaries="bt709")
        .filter("tonemap", tonemap="hable", desat=0)
        .filter("zscale", transfer="bt709", matrix="bt709", range="limited")
    )


def _even(size: Fraction) -> int:
    return max(2, round(size / 2) * 2)
