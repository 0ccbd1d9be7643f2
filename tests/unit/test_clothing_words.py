import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.domain.clothing import WORDS, Lab, colour_word, worn_colour

pytestmark = pytest.mark.unit

CSS = {
    "red": "ff0000 dc143c b22222",
    "dark red": "8b0000 800000",
    "orange": "ffa500 ff8c00 ff7f50",
    "brown": "8b4513 a0522d",
    "yellow": "ffd700 ffff00 daa520 f0e68c",
    "green": "00ff00 008000 228b22 2e8b57 3cb371 6b8e23 9acd32",
    "light green": "90ee90 98fb98",
    "blue": "4682b4 1e90ff 6495ed 4169e1 0000ff 0000cd",
    "light blue": "add8e6 87ceeb 00bfff",
    "dark blue": "000080 191970 00008b",
    "purple": "800080 9400d3 8a2be2 9370db da70d6 4b0082",
    "pink": "ffc0cb ffb6c1 ff69b4 ff1493 db7093",
    "black": "000000 141414",
    "grey": "696969 555555 404040",
    "white": "ffffff dcdcdc fffff0 f5f5dc",
}
"""Named colours of CSS 4 whose name is, or plainly belongs to, one of our words."""


def lab(code: str) -> Lab:
    rgb = np.array([[[int(code[i : i + 2], 16) for i in (0, 2, 4)]]], np.float32) / 255
    lightness, a, b = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0, 0].tolist()
    return lightness, a, b


@pytest.mark.parametrize(("word", "code"), [(word, code) for word, codes in CSS.items() for code in codes.split()])
def test_named_colours_have_the_words_people_use(word: str, code: str):
    assert colour_word(lab(code)) == word


@pytest.mark.parametrize("code", ["ffdbac", "e0ac89", "d2b48c", "a9a9a9", "b8a070"])
def test_what_may_be_skin_beige_or_a_white_shirt_in_the_evening_has_no_word(code: str):
    assert colour_word(lab(code)) is None


@given(st.floats(0, 100), st.floats(-100, 100), st.floats(-100, 100))
def test_every_colour_has_a_known_word_or_none(lightness: float, a: float, b: float):
    assert colour_word((lightness, a, b)) in (*WORDS, None)


class TestVote:
    red, crimson, blue, tan = lab("ff0000"), lab("8b0000"), lab("4169e1"), lab("d2b48c")

    def test_one_look_is_no_agreement(self):
        assert worn_colour([]) is None
        assert worn_colour([self.red]) is None

    def test_most_looks_decide_and_a_draw_decides_nothing(self):
        assert worn_colour([self.red, self.red, self.blue]) == "red"
        assert worn_colour([self.red, self.red, self.blue, self.blue]) is None

    def test_looks_without_a_word_speak_against_all_words(self):
        assert worn_colour([self.red, self.red, self.tan, self.tan]) is None

    def test_somebody_mostly_hidden_has_no_word(self):
        assert worn_colour([self.red, self.red, None]) == "red"
        assert worn_colour([self.red, self.red, None, None, None]) is None

    def test_a_shade_that_is_not_agreed_on_is_left_away(self):
        assert worn_colour([self.red, self.crimson]) == "red"
        assert worn_colour([self.crimson, self.crimson]) == "dark red"

    @given(st.permutations([red, red, crimson, blue, tan]))
    def test_the_order_of_looks_does_not_matter(self, seen: list[Lab]):
        assert worn_colour(seen) == worn_colour([self.red, self.red, self.crimson, self.blue, self.tan])
