"""WebVTT and SubRip: the same cues, readable lines, nothing a player takes for something else."""

import html
import itertools
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.adapters.exports.captions import GAP_FRAMES, LINE_LETTERS, caption_cues, srt, webvtt
from fanreel.contracts import MontageClip, MontagePlan, RenderStyle
from fanreel.domain.montage import place_clips

pytestmark = pytest.mark.unit

WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60), max_size=40)


def timeline(*captions: str, rate: Fraction = Fraction(25), **style):
    clips = tuple(
        MontageClip(
            video_id="v", start_ms=at, end_ms=at + 3_000, score=0, reason="", appearance_id="a", caption=caption
        )
        for at, caption in enumerate(captions)
    )
    made = MontagePlan(
        montage_id="m",
        fan_id="f",
        event_id="e",
        clips=clips,
        duration_ms=0,
        crossfade_ms=200,
        width=320,
        height=180,
        render=RenderStyle(**style),
    )
    return place_clips(made, rate)


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=4), st.sampled_from([24, 25, Fraction(30_000, 1_001)]))
def test_cues_are_short_in_order_and_two_frames_apart(captions, rate):
    film = timeline(*captions, rate=Fraction(rate))
    cues = caption_cues(film)
    assert len(cues) >= len(captions)
    for cue, following in itertools.pairwise(cues):
        assert following.start_ms - cue.end_ms >= int(film.ms(GAP_FRAMES))
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms < film.duration_ms
        assert cue.end_ms - cue.start_ms >= 700
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= LINE_LETTERS and line == line.strip() for line in cue.lines)


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=3))
def test_no_words_of_a_caption_can_become_anything_else(captions):
    film = timeline(*captions)
    cues = caption_cues(film)
    blocks = webvtt(caption_cues(film)).split("\n\n")[1:]
    assert len(blocks) == len(cues)
    for block, cue in zip(blocks, cues, strict=True):
        number, times, *lines = block.rstrip("\n").split("\n")
        assert number.isdigit()
        assert times.count("-->") == 1
        assert not any("<" in line or "-->" in line for line in lines)
        assert tuple(map(html.unescape, lines)) == tuple(map(html.unescape, map(html.escape, cue.lines)))
    for block, cue in zip(srt(caption_cues(film)).split("\n\n"), cues, strict=True):
        _, times, *lines = block.rstrip("\n").split("\n")
        assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", times)
        assert not any(set(line) & set("<>{}") for line in lines)
        assert list(map(len, lines)) == list(map(len, cue.lines))


def test_a_short_caption_is_two_even_lines_and_a_long_one_follows_itself():
    short, long = "A woman in a red shirt jumps up cheering, friends around her", "word " * 40 + "end"
    cues = caption_cues(timeline(short, long))
    assert cues[0].lines == ("A woman in a red shirt jumps up", "cheering, friends around her")
    assert len(cues) == 4
    assert " ".join(line for cue in cues[1:] for line in cue.lines) == long


def test_what_there_is_no_time_to_read_ends_with_an_ellipsis():
    cues = caption_cues(timeline("word " * 200))
    assert len(cues) == 3
    assert cues[-1].lines[-1].endswith(" …")


def test_without_words_a_cue_says_which_moment_it_is_and_cards_have_none():
    film = timeline("", " \n", title="Final", intro_ms=2_000, end_text="Bye", outro_ms=1_500)
    first, second = caption_cues(film)
    assert " ".join(second.lines) == "Moment 2 of 2, 00:00:00.001 to 00:00:03.001 of the broadcast"
    assert first.start_ms == 1_800
    assert second.end_ms == 1_800 + 2 * 3_000 - 200 - 200 - 80


def test_the_files_are_what_players_expect():
    film = timeline("A <fan> & {her} friends -->")
    assert webvtt(caption_cues(film)) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.920\nA &lt;fan&gt; &amp; {her} friends --&gt;\n"
    )
    assert srt(caption_cues(film)) == "1\n00:00:00,000 --> 00:00:02,920\nA ‹fan› & (her) friends --›\n"
