"""What a broadcast of one sport, event or broadcaster looks like, and what its montages are to be.

The numbers of a profile come from a TOML file (`fanreel.profiles` reads it); here is what they mean.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fanreel.contracts import MontageFormat, RenderStyle
from fanreel.domain.montage import MontageStyle

Byte = Annotated[int, Field(ge=0, le=255)]
Hue = Annotated[int, Field(ge=0, le=180)]
Share = Annotated[float, Field(ge=0, le=1)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


MAX_MONTAGE_SECONDS = 180
"""As the settings' `montage_max_ms`: one ffmpeg process holds every clip of a film open, so that its memory, and
the time until it begins, grow with their number; nobody watches more than three minutes of themselves."""


class _Part(BaseModel):
    """A table of a profile: a name it does not know is a mistake, not a wish."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PitchColours(_Part):
    """The ground the game is played on: hue 0..180, saturation and value 0..255, as OpenCV counts them."""

    hue: tuple[Hue, Hue] = (32, 88)
    saturation: tuple[Byte, Byte] = (50, 255)
    value: tuple[Byte, Byte] = (40, 255)


class GraphicsRegion(_Part):
    """Where the broadcaster draws over the picture: x0, y0, x1, y1 as shares of the displayed frame."""

    name: str
    box: tuple[Share, Share, Share, Share]
    reads_text: bool = False
    """Whether what is written there is worth reading (a score), if a reader is installed."""

    @model_validator(mode="after")
    def _ordered(self) -> "GraphicsRegion":
        x0, y0, x1, y1 = self.box
        if x0 >= x1 or y0 >= y1:
            raise ValueError("box is x0, y0, x1, y1 with x0 < x1 and y0 < y1")
        return self


class PictureProfile(_Part):
    """What the worker takes for the pitch and for graphics."""

    pitch: PitchColours = PitchColours()
    graphics: tuple[GraphicsRegion, ...] = ()
    fan_shot_model: str = "default"
    """Which shot-kind model judges: `default`, or a JSON file beside the profile, made by `fit_shot_kinds`."""


class MontageProfile(_Part):
    """What differs of `MontageStyle` and `RenderStyle`; nothing: the default, or what the settings say."""

    min_seconds: float | None = Field(default=None, ge=1, le=MAX_MONTAGE_SECONDS)
    max_seconds: float | None = Field(default=None, ge=2, le=MAX_MONTAGE_SECONDS)
    order: Literal["chronological", "build_up"] = "chronological"
    opener: bool = True
    """Begin with the match: a wide shot just before the first moment, where one fits."""
    slow_motion: bool = True
    """Play the peak of the best clip at half speed."""
    formats: tuple[MontageFormat, ...] = ("16:9", "9:16")
    title_seconds: float = Field(default=2.0, ge=0.5, le=6)
    end_text: str = Field(default="", max_length=80)
    """Four lines of a card at the most: more is cut off."""
    end_seconds: float = Field(default=1.5, ge=0.5, le=6)
    lower_third: Literal["none", "title", "caption"] = "none"
    brand_colour: Colour = "#101820"
    accent_colour: Colour = "#f2aa4c"
    denoise: bool = True
    music_bed: str = ""
    """File name of music beside the profile."""
    music_gain_db: float = Field(default=-18.0, ge=-60, le=0)
    duck_db: float = Field(default=9.0, ge=0, le=40)
    poster: Literal["frame", "cutout"] = "frame"


class Profile(_Part):
    """Everything that may differ between events, sports and broadcasters."""

    name: str
    description: str
    picture: PictureProfile = PictureProfile()
    montage: MontageProfile = MontageProfile()

    def montage_style(self, height: int, *, min_ms: int, max_ms: int) -> MontageStyle:
        """Return how a montage is planned; lengths and height are the settings' where the profile names none."""
        own = self.montage
        max_ms = max_ms if own.max_seconds is None else round(own.max_seconds * 1000)
        min_ms = min_ms if own.min_seconds is None else round(own.min_seconds * 1000)
        return MontageStyle.sized(
            height,
            min_ms=min_ms,
            max_ms=max_ms,
            order=own.order,
            opener=own.opener,
            slow_motion=own.slow_motion,
        )

    def render_style(self, title: str = "", subtitle: str = "") -> RenderStyle:
        """Return how a montage looks and sounds; title and subtitle are the event's."""
        own = self.montage
        return RenderStyle(
            formats=own.formats,
            title=title,
            subtitle=subtitle,
            intro_ms=round(own.title_seconds * 1000) if title else 0,
            end_text=own.end_text,
            outro_ms=round(own.end_seconds * 1000) if own.end_text else 0,
            lower_third=own.lower_third,
            brand_colour=own.brand_colour,
            accent_colour=own.accent_colour,
            denoise=own.denoise,
            music_bed=own.music_bed,
            music_gain_db=own.music_gain_db,
            duck_db=own.duck_db,
            poster=own.poster,
        )
