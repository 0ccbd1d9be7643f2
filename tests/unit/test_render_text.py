"""Texts become pictures that fit, whatever they say; a moving window becomes an expression that ffmpeg takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanreel.adapters.media import render_text
from fanreel.adapters.media.render_text import SAFE, card_background, card_text, colour, lower_third
from fanreel.adapters.media.render_upright import steps_expression
from fanreel.contracts import RenderStyle
from fanreel.errors import ContractBroken

pytestmark = pytest.mark.unit

STYLE = RenderStyle()
SIZES = st.sampled_from([(320, 180), (180, 320), (1280, 720), (720, 1280)])
TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="abcdeéß中ع 🎉", max_size=300),
    st.just("Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 6),
)


@given(TEXTS, TEXTS, SIZES)
@settings(max_examples=20, deadline=None)
def test_whatever_a_card_says_stays_inside_the_safe_area(title, subtitle, size):
    placard = card_text(size, title, subtitle, STYLE)
    height, width, _ = placard.picture.shape
    assert placard.left >= SAFE * size[0] - 1
    assert placard.left + width <= size[0] * (1 - SAFE) + 1
    assert placard.top >= SAFE * size[1] - 1
    assert placard.top + height <= size[1] * (1 - SAFE) + 1


@given(TEXTS, SIZES)
@settings(max_examples=20, deadline=None)
def test_a_lower_third_lies_inside_the_picture_and_has_ink_where_it_has_letters(text, size):
    placard = lower_third(size, text, STYLE)
    if placard is None:
        assert not any(character.isascii() and character.isalnum() for character in text)
        return
    height, width, _ = placard.picture.shape
    assert placard.left + width <= size[0] * (1 - SAFE) + 1
    assert placard.top >= size[1] // 3
    assert placard.top + height <= size[1]


def test_long_titles_are_wrapped_between_words_and_never_cut_off():
    short = card_text((1280, 720), "Final", "", STYLE).picture
    long = card_text((1280, 720), "The final of the cup of all the cups between two towns", "", STYLE).picture
    assert len(long) > len(short) + 80, "a second line"
    ink = np.flatnonzero(long[:, :, 3].any(axis=0))
    assert ink.min() > 0
    assert ink.max() < long.shape[1] - 1


def test_letters_beyond_ascii_are_drawn_as_themselves():
    pictures = [card_text((640, 360), text, "", STYLE).picture for text in ("Łódź", "Київ", "東京", "????")]
    for index, one in enumerate(pictures):
        for other in pictures[index + 1 :]:
            assert one.shape != other.shape or (one != other).any()


def test_text_without_letters_is_no_lower_third():
    assert lower_third((320, 180), " 🎉🎉 \n", STYLE) is None
    assert lower_third((320, 180), "", STYLE) is None


@pytest.mark.parametrize("text", ["\u3164", "\u3164" * 5])
def test_letters_without_ink_draw_nothing(text):
    assert lower_third((320, 180), text, STYLE) is None
    for card in (card_text((320, 180), text, "", STYLE), card_text((320, 180), text, text, STYLE)):
        assert card.picture[:, card.picture.shape[1] // 2, 3].all(), "more than the bar"
    below = card_text((320, 180), text, "Sunday", STYLE).picture
    assert np.flatnonzero(below[:, :, 3].any(axis=1)).min() < 9, "room is kept for a title that is not seen"


@pytest.mark.parametrize("text", ["a" * 20_000, "i " * 10_000], ids=["one word", "many words"])
def test_a_long_text_costs_no_more_than_what_a_card_holds(text, monkeypatch):
    measured = 0
    measure = render_text._width

    def counted(part, px, weight):
        nonlocal measured
        measured += len(part)
        return measure(part, px, weight)

    monkeypatch.setattr(render_text, "_width", counted)
    long = card_text((1280, 720), text, text, STYLE).picture
    assert 0 < measured < 3_000_000
    rows = np.flatnonzero(long[:, :, 3].any(axis=1))
    assert rows.max() - rows.min() > 250, "all lines are used"


def test_letters_stand_out_from_every_brand_colour():
    for brand in ("#ffffff", "#000000", "#ffd400", "#0a2060"):
        style = STYLE.model_copy(update={"brand_colour": brand})
        letters = card_text((640, 360), "W", "", style).picture
        ink = letters[letters[:, :, 3] == 255][0, :3].astype(int)
        ground = card_background((640, 360), style)[180, 320, :3].astype(int)
        assert np.abs(ink - ground).max() > 100


@pytest.mark.parametrize("written", ["red", "#12345", "#12345g", "#1234567", "", "#000000\n"])
def test_only_hexadecimal_colours_are_taken(written):
    with pytest.raises(ContractBroken, match="montage_plan"):
        colour(written)


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=1_100))
@settings(max_examples=20, deadline=None)
def test_an_expression_of_steps_has_each_frames_value_and_a_depth_ffmpeg_takes(values):
    expression = steps_expression(values)
    gte = lambda n, frame: int(n >= frame)  # noqa: E731
    for n in {0, len(values) // 2, len(values) - 1}:
        assert eval(expression, {"gte": gte, "n": n}) == values[n]
    sums = expression.split("+(")
    assert len(sums) + max(part.count("gte") for part in sums) < 98
