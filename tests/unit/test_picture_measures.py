import numpy as np
import pytest

from fanreel.contracts import ShotMeasure
from fanreel.domain.faces import Bgr
from gpu_workers.pipeline.picture import PictureStage
from tests.unit.test_shot_scoring import DrawnFrame

pytestmark = pytest.mark.unit


def measured(pictures: list[Bgr]) -> ShotMeasure:
    stage = PictureStage()
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


def test_every_column_has_a_value_per_look() -> None:
    columns = measured(noisy(5)).model_dump()
    assert {len(values) for values in columns.values()} == {5}
