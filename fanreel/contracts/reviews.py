"""What people have said about doubtful matches: container `reviews` (DESIGN §3, §7)."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from .base import Document, Wire

Answer = Literal["same", "different"]
FAN = "fan"
"""`by` of a verdict that came from the fan app: the fan spoke of themselves."""


class Verdict(Wire):
    """One answer to the question whether an appearance shows a fan."""

    answer: Answer
    by: str
    """Who said so: an operator's name, or `fan`."""
    at: datetime
    """When the server heard it, UTC."""


class ReviewDocument(Document):
    """Container `reviews`, /eventId. All that was ever said about one fan and one appearance.

    The appearance's id counts appearances and may mean somebody else after a video was analysed again, so what the
    verdict is about is also kept as what was looked at: when and where the face was. No template, no picture.
    """

    event_id: str
    fan_id: str
    video_id: str
    appearance_id: str
    start_ms: int
    end_ms: int
    pts_ms: tuple[int, ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    verdicts: tuple[Verdict, ...] = Field(min_length=1)
    """Oldest first; the last one counts."""

    @property
    def latest(self) -> Verdict:
        """Return the verdict that counts."""
        return self.verdicts[-1]

    @property
    def said(self) -> str:
        """Name what has been said by now. By time, too: a review that was erased begins to count anew."""
        return f"{len(self.verdicts)} {self.latest.at.isoformat()}"


class SearchedReviews(Wire):
    """Which verdicts the last finished search of a video has taken into account."""

    verdicts: str
