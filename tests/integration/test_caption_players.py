"""Our caption files as ffmpeg reads them: an independent reader finds the same times and the same words."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.subtitles.subtitle import AssSubtitle

from fanreel.adapters.exports.captions import caption_cues, srt, webvtt
from fanreel.contracts import MontageClip, MontagePlan
from fanreel.domain.montage import Timeline, place_clips

pytestmark = pytest.mark.integration

CAPTIONS = (
    "A woman in a red shirt jumps up cheering, friends around her; applause & whistles",
    "Two men <in blue> hug -- one shouts --> the other laughs",
    "",
    "1:0 – José, Åsa and 李 wave {a flag}",
    "word " * 60,
)
IN_SRT = str.maketrans("<>{}", "‹›()")


def film(captions, rate=Fraction(30_000, 1_001)) -> Timeline:
    clips = tuple(
        MontageClip(
            video_id="v",
            start_ms=at * 9_000,
            end_ms=at * 9_000 + 7_000,
            score=0,
            reason="",
            appearance_id="a",
            caption=text,
        )
        for at, text in enumerate(captions)
    )
    plan = MontagePlan(
        montage_id="m", fan_id="f", event_id="e", clips=clips, duration_ms=0, crossfade_ms=200, width=2, height=2
    )
    return place_clips(plan, rate)


def read(path: Path) -> list[tuple[int, int, str]]:
    """Start and end in milliseconds and the words, lines kept, of every cue that ffmpeg finds and decodes."""
    cues: list[tuple[int, int, str]] = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        assert stream.time_base == Fraction(1, 1000)
        for packet in container.demux(stream):
            if packet.size:
                assert packet.pts is not None
                assert packet.duration is not None
                (shown,) = packet.decode()
                assert isinstance(shown, AssSubtitle)
                words = shown.ass.decode().split(",", 8)[8].replace("\\N", "\n")
                cues.append((packet.pts, packet.pts + packet.duration, words.rstrip("\n")))
    return cues


@pytest.mark.parametrize("rate", [Fraction(24_000, 1_001), Fraction(25), Fraction(30_000, 1_001)])
def test_ffmpeg_reads_both_files_as_the_same_cues(rate: Fraction, tmp_path: Path) -> None:
    timeline = film(CAPTIONS, rate)
    wanted = [(cue.start_ms, cue.end_ms, "\n".join(cue.lines)) for cue in caption_cues(timeline)]
    assert len(wanted) > len(CAPTIONS)
    for text, suffix in ((webvtt(caption_cues(timeline)), "vtt"), (srt(caption_cues(timeline)), "srt")):
        path = tmp_path / f"film.{suffix}"
        path.write_text(text, "utf-8", newline="\n")
        found = read(path)
        assert [times for *times, _ in found] == [times for *times, _ in wanted]
        if suffix == "vtt":
            assert [words for *_, words in found] == [_as_ass(words) for *_, words in wanted]
        else:
            assert [words for *_, words in found] == [words.translate(IN_SRT) for *_, words in wanted]


def _as_ass(words: str) -> str:
    """ffmpeg hands on WebVTT's braces escaped, for in ASS they are commands."""
    return words.replace("{", "\\{{}")


@pytest.mark.parametrize("name", ["webvtt_typical", "subrip_typical_with_tags"])
def test_the_reader_itself_reads_what_other_tools_wrote(name: str, shared_media: Path) -> None:
    found = read(shared_media / "goldens" / "captions" / name)
    assert found[:2] == [(0, 1_234, found[0][2]), (2_345, 3_456, found[1][2])]
    assert found[1][2].startswith("This is the second subtitle.")
