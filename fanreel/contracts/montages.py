"""Montages: what will be rendered, and what was (container `montages`)."""

from typing import Literal

from pydantic import Field

from .base import Document, Wire

MontageStatus = Literal["rendering", "ready", "failed", "cancelled"]
MontageFormat = Literal["16:9", "9:16"]


class FocusPoint(Wire):
    """Where the fan's face is at one moment of a clip, in pixels of the displayed frame."""

    pts_ms: int
    box: tuple[int, int, int, int]


class MontageClip(Wire):
    """A planned clip: [start_ms, end_ms) of a video, why it is in, and how it scored.

    An `opener` shows the match, not the fan: a wide shot just before their first moment, without an appearance.
    """

    video_id: str
    start_ms: int
    end_ms: int
    score: float
    reason: str
    appearance_id: str
    kind: Literal["moment", "opener"] = "moment"
    scores: dict[str, float] = Field(default_factory=dict)
    """What the score is made of, 0..1 each."""
    caption: str = ""
    """What the clip shows, in plain words."""
    focus: tuple[FocusPoint, ...] = ()
    """The fan's face through the clip, by time: what an upright picture keeps inside. Empty for openers."""
    slow_from_ms: int | None = None
    """[slow_from_ms, slow_to_ms) of the source is played `slow_factor` times as long, without its sound's pitch
    changing; none: nothing is."""
    slow_to_ms: int | None = None
    slow_factor: int = 1

    @property
    def played_ms(self) -> int:
        """Length on the montage's timeline."""
        length_ms = self.end_ms - self.start_ms
        if self.slow_from_ms is None or self.slow_to_ms is None:
            return length_ms
        return length_ms + (self.slow_to_ms - self.slow_from_ms) * (self.slow_factor - 1)


class RenderStyle(Wire):
    """How a montage looks and sounds, as far as the profile and the event say; part of what makes its id."""

    formats: tuple[MontageFormat, ...] = ("16:9",)
    """The first is the film; the others are files of their own."""
    title: str = ""
    subtitle: str = ""
    intro_ms: int = 0
    """Length of the title card before the first clip, its crossfade included; 0: none."""
    end_text: str = ""
    outro_ms: int = 0
    lower_third: Literal["none", "title", "caption"] = "none"
    brand_colour: str = "#101820"
    accent_colour: str = "#f2aa4c"
    denoise: bool = True
    music_bed: str = ""
    """File name of the profile's music, laid under the whole; empty: none."""
    music_sha256: str = ""
    """Of that file's bytes: another music under the same name is another montage."""
    music_gain_db: float = -18.0
    duck_db: float = 9.0
    """How far the music gives way where the broadcast's own sound is up."""
    poster: Literal["frame", "cutout"] = "frame"


class MontagePlan(Wire):
    """What will be rendered. `montage_id` is derived from fan, event and clips: same plan, same id."""

    montage_id: str
    fan_id: str
    event_id: str
    clips: tuple[MontageClip, ...]
    duration_ms: int
    crossfade_ms: int
    width: int
    height: int
    profile: str = "default"
    order: Literal["chronological", "build_up"] = "chronological"
    render: RenderStyle = RenderStyle()


class MontageDocument(Document):
    """Container `montages`, /fanId; id = `montage-<eventId>`: the fan's current montage of that event.

    `files` maps kind (`mp4`, `vertical.mp4`, `webp`, `jpg`, `edl`, `otio`, `vtt`, `srt`) to a blob name in
    container `montages`.
    """

    fan_id: str
    event_id: str
    montage_id: str
    status: MontageStatus
    reason: str | None = None
    plan: MontagePlan
    duration_ms: int
    files: dict[str, str] = Field(default_factory=dict)
    av_offset_ms: float | None = None
    loudness_lufs: float | None = None
    """Integrated loudness and true peak of the finished film (EBU R 128); none without sound."""
    true_peak_dbtp: float | None = None
    progress: float = 0.0
    """Part of the rendering that is done, 0..1: of `pending_id` where there is one."""
    pending_id: str = ""
    """The newer montage being made while this one is out."""
    cancels: int = 0
    """How often making this event's montage was cancelled: names what a resumption lifts."""
    version: int = 1
    """Counts how often this event's montage was published with another plan."""
    superseded: tuple[str, ...] = ()
    """Ids of montages this one took the place of and whose files are still to be deleted."""
