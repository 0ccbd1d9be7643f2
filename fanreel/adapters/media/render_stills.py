"""Cards and lower thirds in a montage's filter graph: still pictures, faded in and out."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import ffmpeg

from fanreel.contracts import RenderStyle
from fanreel.domain.montage import PlacedClip, Timeline

from .render_source import Stream, exact, ratio
from .render_text import Bgra, Placard, card_background, card_text, lower_third

TEXT_FADE_MS = 300
LOWER_THIRD_MS = 4_000
"""Long enough to read two lines twice; a shorter clip shows it as long as it lasts."""
LOWER_THIRD_AFTER_MS = 300
"""A lower third enters when the crossfade is over and the eye has settled."""
LEAST_LOWER_THIRD_MS = 1_000
"""Less cannot be read and only flickers."""


@dataclass(frozen=True, slots=True)
class Stills:
    """Where still pictures of one film are kept while it is rendered, and the film's size and rate."""

    folder: Path
    name: str
    width: int
    height: int
    rate: Fraction

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the film."""
        return self.width, self.height

    def still(self, name: str, picture: Bgra, frames: int) -> Stream:
        """Return a picture shown for so many frames; it is read and converted once."""
        path = self.folder / f"{self.name}-{name}.png"
        done, data = cv2.imencode(".png", picture)
        assert done, "a non-empty picture always encodes"
        path.write_bytes(data.tobytes())
        source = ffmpeg.input(
            f"file:{path.absolute()}", f="image2", pattern_type="none", framerate=ratio(self.rate)
        )
        return (
            source.video.filter("scale", out_color_matrix="bt709", out_range="tv")
            .filter("format", "yuva420p")
            .filter("loop", loop=-1, size=1)
            .filter("setpts", "N/FRAME_RATE/TB")
            .filter("trim", end_frame=frames)
        )

    def fading(self, picture: Stream, frames: int) -> Stream:
        """Let a transparent picture of so many frames come and go."""
        fade = min(round(TEXT_FADE_MS * self.rate / 1000), frames // 3)
        return picture.filter("fade", type="in", start_frame=0, nb_frames=fade, alpha=1).filter(
            "fade", type="out", start_frame=frames - fade, nb_frames=fade, alpha=1
        )


def title_card(stills: Stills, style: RenderStyle, frames: int) -> Stream:
    """Return the card before the first clip: title and subtitle on the brand's colour."""
    return _card(stills, "title", style, card_text(stills.size, style.title, style.subtitle, style), frames)


def end_card(stills: Stills, style: RenderStyle, frames: int) -> Stream:
    """Return the card after the last clip."""
    return _card(stills, "end", style, card_text(stills.size, style.end_text, "", style), frames)


def with_lower_third(
    picture: Stream, stills: Stills, style: RenderStyle, timeline: Timeline, index: int
) -> Stream:
    """Lay a clip's lower third over its picture, clear of its crossfades; none where there is no time or text."""
    placed = timeline.clips[index]
    text = _lower_text(style, timeline, index)
    start = placed.fade_frames + round(LOWER_THIRD_AFTER_MS * stills.rate / 1000)
    frames = min(round(LOWER_THIRD_MS * stills.rate / 1000), _undisturbed(timeline, index) - start)
    placard = lower_third(stills.size, text, style) if text else None
    if placard is None or frames < LEAST_LOWER_THIRD_MS * stills.rate / 1000:
        return picture
    shown = stills.fading(stills.still(f"lower-{index}", placard.picture, frames), frames)
    late = shown.filter("setpts", f"PTS+{exact(Fraction(start) / stills.rate)}/TB")
    return _overlaid(picture, late, placard)


def _lower_text(style: RenderStyle, timeline: Timeline, index: int) -> str:
    clip = timeline.clips[index].clip
    if style.lower_third == "caption":
        return clip.caption
    first = next((at for at, placed in enumerate(timeline.clips) if placed.clip.kind == "moment"), 0)
    return style.title if style.lower_third == "title" and index == first else ""


def _undisturbed(timeline: Timeline, index: int) -> int:
    """Return how many of a clip's frames pass before the next crossfade begins."""
    placed: PlacedClip = timeline.clips[index]
    following = timeline.clips[index + 1 : index + 2]
    fade = following[0].fade_frames if following else timeline.outro_fade_frames
    return placed.frames - fade


def _card(stills: Stills, name: str, style: RenderStyle, text: Placard, frames: int) -> Stream:
    ground = stills.still(f"{name}-ground", card_background(stills.size, style), frames)
    letters = stills.fading(stills.still(name, text.picture, frames), frames)
    return _overlaid(ground.filter("format", "yuv420p"), letters, text)


def _overlaid(below: Stream, above: Stream, placard: Placard) -> Stream:
    # Even places: colour is stored for pairs of pixels.
    left, top = placard.left // 2 * 2, placard.top // 2 * 2
    return ffmpeg.overlay(below, above, x=left, y=top, eof_action="pass", format="yuv420")
