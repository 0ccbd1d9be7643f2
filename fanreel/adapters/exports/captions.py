"""What a montage shows, in words under the picture: WebVTT and SubRip (SRT) with the same cues.

Lines and gaps follow the Netflix timed-text guide: two lines of at most 42 letters, two frames between cues, and
no clip is divided into cues of less than 5/6 s.
"""

import html
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanreel.domain.montage import Timeline

LINE_LETTERS = 42
LINES = 2
GAP_FRAMES = 2
LEAST_CUE_MS = 833

_NOT_IN_SRT = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
"""SubRip has no escapes, and players take these for tags."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown in [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def caption_cues(timeline: Timeline) -> list[Cue]:
    """Return what each clip shows, from its start to the next one's; or, not known, which moment it is."""
    ends = [following.start_frame for following in timeline.clips[1:]]
    ends.append(timeline.frames - timeline.outro_frames)
    several = len({placed.clip.video_id for placed in timeline.clips}) > 1
    cues: list[Cue] = []
    for number, (placed, end_frame) in enumerate(zip(timeline.clips, ends, strict=True), 1):
        clip = placed.clip
        where = f" in {clip.video_id}" if several else ""
        span = f"{clock(clip.start_ms)} to {clock(clip.end_ms)} of the broadcast{where}"
        text = clip.caption.strip() or f"Moment {number} of {len(timeline.clips)}, {span}"
        cues += _cues(timeline, " ".join(text.split()), placed.start_frame, end_frame)
    return cues


def webvtt(cues: Sequence[Cue]) -> str:
    """Return cues as WebVTT."""
    blocks = [
        f"{number}\n{clock(cue.start_ms)} --> {clock(cue.end_ms)}\n"
        + "".join(f"{html.escape(line, quote=False)}\n" for line in cue.lines)
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def srt(cues: Sequence[Cue]) -> str:
    """Return cues as SubRip."""
    return "\n".join(
        f"{number}\n{clock(cue.start_ms, ',')} --> {clock(cue.end_ms, ',')}\n"
        + "".join(f"{line.translate(_NOT_IN_SRT)}\n" for line in cue.lines)
        for number, cue in enumerate(cues, 1)
    )


def clock(ms: int, sign: str = ".") -> str:
    """Return a time as `hh:mm:ss.mmm`, with `sign` before the milliseconds."""
    seconds, rest_ms = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{rest_ms:03d}"


def _cues(timeline: Timeline, text: str, start_frame: int, end_frame: int) -> Iterator[Cue]:
    """Divide a clip's time evenly among as many cues as its words need."""
    frames = end_frame - start_frame
    pages = _pages(text, max(1, int(timeline.ms(frames) // LEAST_CUE_MS)))
    for number, page in enumerate(pages):
        first = start_frame + frames * number // len(pages)
        last = start_frame + frames * (number + 1) // len(pages) - GAP_FRAMES
        if last > first:
            yield Cue(round(timeline.ms(first)), round(timeline.ms(last)), page)


def _pages(text: str, most: int) -> list[tuple[str, ...]]:
    """Break words into pages of lines, evenly; an ellipsis stands for what does not fit into `most` pages."""
    lines = _broken(text, LINE_LETTERS)
    room = 1 if len(lines) == 1 else LINES * min(most, -(-len(lines) // LINES))
    if len(lines) > room:
        lines = [*lines[: room - 1], f"{lines[room - 1][: LINE_LETTERS - 2].rstrip()} …"]
    else:
        longest = max(map(len, text.split()))
        widths = range(min(LINE_LETTERS, max(longest, -(-len(text) // room))), LINE_LETTERS + 1)
        lines = next(narrow for width in widths if len(narrow := _broken(text, width)) <= room)
    return [tuple(lines[at : at + LINES]) for at in range(0, len(lines), LINES)]


def _broken(words: str, width: int) -> list[str]:
    return textwrap.wrap(words, width, break_on_hyphens=False)
