import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fanreel.contracts import ShotMeasure
from fanreel.domain.faces import Bgr
from fanreel.domain.profiles import GraphicsRegion, PictureProfile, PitchColours
from gpu_workers.pipeline.picture import PictureStage
from tests.unit.test_shot_scoring import DrawnFrame

pytestmark = pytest.mark.unit


def measured(pictures: list[Bgr], profile: PictureProfile | None = None) -> ShotMeasure:
    stage = PictureStage(profile or PictureProfile())
    for index, picture in enumerate(pictures):
        stage.process_frame(DrawnFrame(index * 200, picture))
    return stage.measures()


def noisy(
    looks: int, rows: int = 144, *, colour: tuple[int, int, int] = (90, 90, 90), spread: int = 60
) -> list[Bgr]:
    rng = np.random.default_rng(7)
    blocks = rng.integers(-spread, spread + 1, (looks, rows // 4, 64, 1)).repeat(4, axis=1).repeat(4, axis=2)
    return [np.clip(np.array(colour) + block, 0, 255).astype(np.uint8) for block in blocks]


def test_bars_that_stand_still_change_no_measure() -> None:
    live = noisy(4, rows=72)
    barred = [np.zeros((144, 256, 3), np.uint8) for _ in live]
    for picture, inner in zip(barred, live, strict=True):
        picture[40:112] = inner
    alone, framed = measured(live), measured(barred)
    for name in ("luma", "sharpness", "motion", "detail", "flat", "still", "skin", "grass"):
        # The first look does not know yet what will move.
        assert getattr(framed, name)[1:] == pytest.approx(getattr(alone, name)[1:], rel=0.12, abs=0.03), name


def test_a_still_graphic_is_still_and_flat_and_a_pitch_is_grass() -> None:
    slide = np.full((144, 256, 3), 230, np.uint8)
    slide[60:80, 40:200] = 20
    graphic = measured([slide] * 3)
    assert min(graphic.still) == 1
    assert min(graphic.flat) > 0.9
    pitch = measured(noisy(3, colour=(40, 140, 60), spread=15))
    assert min(pitch.grass) > 0.95
    assert max(graphic.grass) == 0


def test_the_profile_says_what_the_pitch_looks_like() -> None:
    court = noisy(3, colour=(80, 150, 200), spread=10)
    wooden = PictureProfile(pitch=PitchColours(hue=(6, 24), saturation=(40, 255), value=(90, 255)))
    assert max(measured(court).grass) < 0.05
    assert min(measured(court, wooden).grass) > 0.9


def test_what_the_broadcaster_draws_counts_for_nothing() -> None:
    plain = noisy(4)
    drawn = [picture.copy() for picture in plain]
    for number, picture in enumerate(drawn):
        picture[8:24, 16:80] = (255, 255, 255) if number % 2 else (0, 0, 0)
    scoreboard = GraphicsRegion(name="score_bug", box=(0.05, 0.04, 0.33, 0.18))
    named, unnamed = measured(drawn, PictureProfile(graphics=(scoreboard,))), measured(drawn)
    masked = measured(plain, PictureProfile(graphics=(scoreboard,)))
    assert named.picture_hash == masked.picture_hash
    assert named.motion == pytest.approx(masked.motion, abs=0.5)
    assert max(unnamed.motion) > max(masked.motion) + 3
    assert np.abs(drawn[0][8:24, 16:80]).max() == 0, "pictures are shared and never written to"


def test_every_column_has_a_value_per_look() -> None:
    columns = measured(noisy(5)).model_dump()
    assert {len(values) for values in columns.values()} == {5}


def scenery() -> NDArray[np.uint8]:
    """A textured picture, larger than what is seen of it: (300, 600, 3)."""
    rng = np.random.default_rng(3)
    grain = sum(weight * gaussian_filter(rng.normal(size=(300, 600)), width) for width, weight in ((2, 2), (9, 9)))
    grey = np.clip(grain / np.std(grain) * 45 + 128, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def seen_of(picture: Bgr, x: int, y: int = 60) -> Bgr:
    return np.ascontiguousarray(picture[y : y + 144, x : x + 256])


@pytest.mark.parametrize("every_ms", [100, 200, 400])
@pytest.mark.parametrize("widths_per_second", [0.0, 0.1, 0.4])
def test_a_pan_is_flow_in_widths_per_second_but_nothing_moves_by_itself(
    every_ms: int, widths_per_second: float
) -> None:
    step = round(widths_per_second * 256 * every_ms / 1000)
    stage = PictureStage()
    for index in range(4):
        stage.process_frame(DrawnFrame(index * every_ms, seen_of(scenery(), 40 + index * step)))
    pan = stage.measures()
    assert pan.flow[0] == pan.own_flow[0] == 0
    assert pan.flow[1:] == pytest.approx([step / 256 / every_ms * 1000] * 3, abs=0.02, rel=0.08)
    assert max(pan.own_flow) < 0.04


def test_what_moves_against_the_pan_is_own_motion() -> None:
    around, other = scenery(), scenery()[::-1]
    pictures: list[Bgr] = []
    for index in range(4):
        picture = seen_of(around, 40 + 6 * index)
        picture[40:110, 60 + 12 * index : 130 + 12 * index] = other[40:110, :70]
        pictures.append(picture)
    alone = measured([seen_of(around, 40 + 6 * index) for index in range(4)])
    assert min(measured(pictures).own_flow[1:]) > 3 * max(alone.own_flow)


def test_flow_and_hash_are_the_same_wherever_a_segment_begins_but_for_its_first_flow() -> None:
    pictures = [seen_of(scenery(), 20 * index, 3 * index) for index in range(6)]
    whole, tail = measured(pictures), measured(pictures[3:])
    assert tail.picture_hash == whole.picture_hash[3:]
    assert tail.flow[1:] == whole.flow[4:]
    assert tail.own_flow[1:] == whole.own_flow[4:]


def bits(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_a_hash_survives_size_coding_a_logo_and_bars_and_tells_pictures_apart() -> None:
    picture = seen_of(scenery(), 100)
    (original,) = measured([picture]).picture_hash
    assert len(original) == 16
    small = cv2.resize(picture, (128, 72), interpolation=cv2.INTER_AREA)
    coded = np.asarray(cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 25])[1], 1), np.uint8)
    logo = picture.copy()
    logo[6:22, 8:48] = (20, 20, 220)
    barred = np.zeros((192, 256, 3), np.uint8)
    barred[24:168] = picture
    for changed in (coded, logo, barred):
        assert bits(measured([changed]).picture_hash[0], original) <= 10
    assert bits(measured([seen_of(scenery()[::-1], 300)]).picture_hash[0], original) > 20
