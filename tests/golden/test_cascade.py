"""The coarse and the fine look of YuNet, on faces of known size and place."""

from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from fanreel.domain.faces import Bgr
from fanreel.inference.networks import Networks
from fanreel.inference.runtime import Array, Session
from fanreel.inference.yunet import TILE_PX, YuNetDetector

pytestmark = pytest.mark.golden

FACE = ("sample5.jpg", 470, 1024, 294)
"""A frontal face: its middle and height."""


class Noting:
    """A session that notes the shapes it is shown."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.shapes = list[tuple[int, ...]]()

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return self._session.batch_sizes

    @property
    def fills_batches(self) -> bool:
        return self._session.fills_batches

    @property
    def calls_at_once(self) -> int:
        return self._session.calls_at_once

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.shapes.append(feeds["input"].shape)
        return self._session.run(feeds)


@pytest.fixture
def session(yunet_networks: Networks) -> Noting:
    assert isinstance(yunet_networks.detector, YuNetDetector)
    return Noting(yunet_networks.detector.session)


def scene(photos: dict[str, Bgr], *faces: tuple[int, int, int], size: tuple[int, int] = (1280, 720)) -> Bgr:
    """Return a picture like blurred grass with faces (middle x, middle y, height px) blended in."""
    name, x, y, high = FACE
    cut = photos[name][y - high : y + high, x - high : x + high]
    noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), np.uint8)
    picture: Bgr = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.0), np.uint8)
    for middle_x, middle_y, height in faces:
        side = 2 * height
        small = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)
        mask = np.zeros((side, side), np.float32)
        cv2.ellipse(mask, (height, height), (round(0.8 * height), round(0.9 * height)), 0, 0, 360, 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None]
        top, left = middle_y - height, middle_x - height
        part = picture[max(top, 0) : top + side, max(left, 0) : left + side]
        rows, columns = slice(max(-top, 0), max(-top, 0) + len(part)), slice(max(-left, 0), None)
        small, mask = (np.asarray(v)[rows, columns][:, : part.shape[1]] for v in (small, mask))
        part[:] = (mask * small + (1 - mask) * part).astype(np.uint8)
    return picture


def test_a_picture_without_faces_is_looked_at_once_and_coarsely(session: Noting, photos: dict[str, Bgr]) -> None:
    assert len(YuNetDetector(session).detect(scene(photos))) == 0
    assert session.shapes == [(1, 3, 384, 640)]


def test_a_close_up_needs_no_fine_look(session: Noting, photos: dict[str, Bgr]) -> None:
    assert len(YuNetDetector(session).detect(scene(photos, (640, 360, 300)))) == 1
    assert session.shapes == [(1, 3, 384, 640)]


@pytest.mark.parametrize("height", [24, 32, 40, 48])
def test_a_small_face_is_found_by_a_look_at_its_surroundings_only(
    session: Noting, photos: dict[str, Bgr], height: int
) -> None:
    faces = YuNetDetector(session).detect(scene(photos, (1000, 200, height)))
    assert len(faces) == 1
    middle = (faces.boxes[0, :2] + faces.boxes[0, 2:]) / 2
    assert np.abs(middle - [1000, 200]).max() < height / 4
    ((count, *shape),) = session.shapes[1:]
    assert shape == [3, TILE_PX, TILE_PX]
    assert count <= 2


def test_a_crowd_is_looked_at_as_a_whole(session: Noting, photos: dict[str, Bgr]) -> None:
    places = [(x, y, 30) for x in range(60, 1280, 105) for y in range(60, 720, 120)]
    assert len(YuNetDetector(session).detect(scene(photos, *places))) == len(places)
    assert session.shapes == [(1, 3, 384, 640), (1, 3, 736, 1280)]


def test_where_a_small_face_stands_does_not_matter(session: Noting, photos: dict[str, Bgr]) -> None:
    """On tile borders, in corners, over the picture's edge."""
    detector = YuNetDetector(session)
    for x, y in ((16, 16), (1264, 704), (256, 256), (639, 361), (1279 - 100, 40), (320, 710)):
        assert len(detector.detect(scene(photos, (x, y, 40)))) == 1, (x, y)


def test_frames_looked_at_together_show_what_each_shows_alone(session: Noting, photos: dict[str, Bgr]) -> None:
    detector = YuNetDetector(session)
    frames = [scene(photos, (300, 300, 40)), scene(photos), scene(photos, (900, 400, 25), (200, 100, 200))]
    for one, together in zip(frames, detector.detect_many(frames), strict=True):
        alone = detector.detect(one)
        assert len(alone) == len(together)
        np.testing.assert_allclose(alone.boxes, together.boxes, atol=0.05)


def test_fixed_shapes_are_two_and_find_the_same(session: Noting, photos: dict[str, Bgr]) -> None:
    """What a CUDA device prepares for: a square and tiles in batches of its buckets, whatever the video."""
    places = [(x, y, 36) for x in range(60, 1280, 160) for y in range(60, 720, 160)]
    frames = [
        scene(photos, *places),
        scene(photos, (300, 300, 40)),
        scene(photos, (200, 600, 40), size=(608, 1080)),
        scene(photos, (100, 100, 60), size=(320, 240)),
    ]
    free = YuNetDetector(session).detect_many(frames)
    session.shapes.clear()
    fixed = YuNetDetector(session, fixed_shapes=True).detect_many(frames)
    assert {shape[2:] for shape in session.shapes} == {(640, 640), (TILE_PX, TILE_PX)}
    assert {shape[0] for shape in session.shapes} <= set(session.batch_sizes)
    assert [len(faces) for faces in free] == [len(faces) for faces in fixed] == [len(places), 1, 1, 1]
