"""Detection, templates and attributes on the photographs inside npm face-api, and on faces that are none."""

import cv2
import numpy as np
import pytest

from fanreel.domain.attributes import EXPRESSIONS
from fanreel.domain.faces import Bgr, Faces
from fanreel.inference.chips import FaceChips
from fanreel.inference.networks import Networks

pytestmark = pytest.mark.golden

# Face centres (x, y) in each photograph, read off by eye.
FACES = {
    "sample1.jpg": [(500, 480), (935, 540), (1575, 320)],
    "sample2.jpg": [(440, 270), (975, 345), (1545, 275)],
    "sample3.jpg": [(690, 465), (1180, 365), (1595, 450)],
    "sample4.jpg": [(340, 310), (755, 185), (1070, 300), (1345, 275)],
    "sample5.jpg": [(465, 1025), (685, 535), (865, 220), (1200, 320), (1510, 540)],
    "sample6.jpg": [(355, 625), (760, 490), (1270, 440), (1590, 415)],
}
SAME_WOMAN = (("sample1.jpg", 2), ("sample3.jpg", 1))  # the one person who is on two photographs; left to right


@pytest.fixture(params=["yunet_networks", "ssd_networks"])
def networks(request: pytest.FixtureRequest) -> Networks:
    return request.getfixturevalue(request.param)


def left_to_right(networks: Networks, picture: Bgr) -> Faces:
    faces = networks.detector.detect(picture)
    return faces.select(np.argsort(faces.boxes[:, 0]))


def test_detector_finds_every_face_once_and_nothing_else(networks: Networks, photos: dict[str, Bgr]) -> None:
    for name, centres in FACES.items():
        faces = left_to_right(networks, photos[name])
        middles = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
        assert len(faces) == len(centres), name
        assert np.abs(middles - np.array(centres)).max() < 45, name


def test_five_points_lie_in_the_box_in_the_order_of_the_picture(
    networks: Networks, photos: dict[str, Bgr]
) -> None:
    faces = networks.detector.detect(photos["sample6.jpg"])
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.points.transpose(1, 0, 2)
    assert np.all(left_eye[:, 0] < right_eye[:, 0])
    assert np.all(left_mouth[:, 0] < right_mouth[:, 0])
    assert np.all((left_eye[:, 1] < nose[:, 1]) & (nose[:, 1] < right_mouth[:, 1]))
    assert np.all(faces.points >= faces.boxes[:, None, :2] - 20)
    assert np.all(faces.points <= faces.boxes[:, None, 2:] + 20)


def test_faces_come_strongest_first(networks: Networks, photos: dict[str, Bgr]) -> None:
    scores = networks.detector.detect(photos["sample5.jpg"]).scores
    assert np.all(np.diff(scores) <= 0)


def test_small_faces_of_a_wide_shot_are_found(yunet_networks: Networks, photos: dict[str, Bgr]) -> None:
    """Faces of about 30 px in a 1080p frame."""
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    small = cv2.resize(photos["sample5.jpg"], None, fx=0.12, fy=0.12, interpolation=cv2.INTER_AREA)
    for row in range(4):
        for column in range(6):
            y, x = 60 + row * 250, 60 + column * 300
            frame[y : y + small.shape[0], x : x + small.shape[1]] = small
    faces = yunet_networks.detector.detect(frame)
    assert 4 * 6 * 5 <= len(faces) <= 4 * 6 * 5 + 2  # a stray one at the confidence floor is tolerable
    assert np.count_nonzero(faces.scores > 0.7) == 4 * 6 * 5
    assert 20 < float(np.median(faces.heights)) < 40


def test_faces_on_the_seams_of_the_tiles_are_found_once(networks: Networks, photos: dict[str, Bgr]) -> None:
    """45 faces of about 65 px, side by side over a whole 1080p frame."""
    small = cv2.resize(photos["sample5.jpg"], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    for row in range(3):
        for column in range(3):
            y, x = row * (height + 3), column * (width + 3)
            frame[y : y + height, x : x + width] = small
    assert len(networks.detector.detect(frame)) == 3 * 3 * 5


@pytest.mark.parametrize("scale", [3.0, 4.5])
def test_close_up_is_one_face(yunet_networks: Networks, photos: dict[str, Bgr], scale: float) -> None:
    """A face that fills a 1080p frame: the coarse pass keeps its parts from being faces."""
    x, y = FACES["sample3.jpg"][2]
    reach_x, reach_y = round(960 / scale), round(540 / scale)
    cut = photos["sample3.jpg"][y - reach_y : y + reach_y, x - reach_x : x + reach_x]
    frame = np.asarray(cv2.resize(cut, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)
    assert len(yunet_networks.detector.detect(frame)) == 1


def test_same_woman_is_nearer_than_any_other_pair(networks: Networks, photos: dict[str, Bgr]) -> None:
    rows: list[np.ndarray] = []
    labels: list[tuple[str, int]] = []
    for name in FACES:
        faces = left_to_right(networks, photos[name])
        rows.append(networks.embedder.embed(networks.embedder.chips(photos[name], faces)))
        labels += [(name, index) for index in range(len(faces))]
    templates = np.concatenate(rows)
    distances = np.linalg.norm(templates[:, None] - templates[None], axis=2)
    first, second = (labels.index(who) for who in SAME_WOMAN)
    same = distances[first, second]
    others = distances[np.triu_indices(len(templates), 1)]
    assert same < 0.52
    assert np.sort(others)[1] > same + 0.05


def test_half_size_and_dimmed_picture_gives_nearly_the_same_templates(
    networks: Networks, photos: dict[str, Bgr]
) -> None:
    picture = photos["sample6.jpg"]
    worse = np.asarray(cv2.convertScaleAbs(cv2.resize(picture, None, fx=0.5, fy=0.5), alpha=0.8, beta=5), np.uint8)
    first, second = (
        networks.embedder.embed(networks.embedder.chips(p, left_to_right(networks, p))) for p in (picture, worse)
    )
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    assert np.diag(distances).max() < 0.35
    assert (distances + np.eye(len(first))).min() > 0.5


def test_both_detectors_lead_to_the_same_templates(
    yunet_networks: Networks, ssd_networks: Networks, photos: dict[str, Bgr]
) -> None:
    """The contract does not name the detector, so its choice must not make another person."""
    picture = photos["sample6.jpg"]
    first, second = (
        n.embedder.embed(n.embedder.chips(picture, left_to_right(n, picture)))
        for n in (yunet_networks, ssd_networks)
    )
    assert yunet_networks.model_contract == ssd_networks.model_contract
    assert np.linalg.norm(first - second, axis=1).max() < 0.4


def test_templates_are_unit_rows_and_batch_equals_single(ssd_networks: Networks, photos: dict[str, Bgr]) -> None:
    embedder, attributes = ssd_networks.embedder, ssd_networks.attributes
    picture = photos["sample5.jpg"]
    chips = embedder.chips(picture, left_to_right(ssd_networks, picture))
    together, measured = embedder.embed(chips), attributes.measure(chips)
    assert together.shape == (5, embedder.dimension)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for row in range(5):
        one = chips.select(np.array([row]))
        np.testing.assert_allclose(embedder.embed(one)[0], together[row], atol=2e-6)
        np.testing.assert_allclose(attributes.measure(one).expression[0], measured.expression[row], atol=2e-6)
        np.testing.assert_allclose(attributes.measure(one).age_years[0], measured.age_years[row], atol=1e-4)


def test_mirrored_picture_gives_the_same_template(ssd_networks: Networks, photos: dict[str, Bgr]) -> None:
    chips = ssd_networks.embedder.chips(photos["sample6.jpg"], ssd_networks.detector.detect(photos["sample6.jpg"]))
    mirrored = FaceChips(chips.aligned_rgb[:, :, ::-1], chips.context_bgr[:, :, ::-1], chips.square_rgb)
    np.testing.assert_allclose(
        ssd_networks.embedder.embed(chips), ssd_networks.embedder.embed(mirrored), atol=1e-6
    )


def test_attributes_describe_the_women_on_the_photographs(networks: Networks, photos: dict[str, Bgr]) -> None:
    parts = [networks.embedder.chips(p, left_to_right(networks, p)) for p in photos.values()]
    found = networks.attributes.measure(FaceChips.concatenate(parts))
    assert len(found) == 22
    assert float(np.mean(found.female_probability > 0.5)) == 1.0
    assert np.all((found.age_years > 12) & (found.age_years < 50))
    np.testing.assert_allclose(found.expression.sum(axis=1), 1, atol=1e-5)
    assert found.expression.shape == (22, len(EXPRESSIONS))
    assert np.all(np.abs(found.valence) <= 1)
    assert np.all(np.abs(found.arousal) <= 1)
    laughing, asleep = 2, 5  # third of sample1, third of sample2
    assert EXPRESSIONS[int(np.argmax(found.expression[laughing]))] == "happy"
    assert found.valence[laughing] > 0.5 > 0 > found.valence[asleep]
    assert found.arousal[laughing] > 0.3 > 0 > found.arousal[asleep]
    assert found.mouth_open[laughing] > found.mouth_open[asleep] + 0.1


DEGENERATE = {
    "one pixel": [100, 100, 101, 101],
    "no area": [50, 50, 50, 50],
    "inside out": [80, 80, 40, 40],
    "left of the frame": [-500, 10, -400, 110],
    "below the frame": [10, 5000, 110, 5100],
    "over the corner": [-40, -40, 60, 60],
    "whole frame": [0, 0, 320, 240],
    "absurdly large": [-1e9, -1e9, 1e9, 1e9],
    "not a number": [np.nan, np.nan, np.nan, np.nan],
    "infinite": [0, 0, np.inf, np.inf],
}


def test_degenerate_boxes_give_finite_answers(ssd_networks: Networks) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    boxes = np.array(list(DEGENERATE.values()), np.float32)
    points = np.repeat(boxes[:, None, :2], 5, axis=1)
    faces = Faces(boxes, np.ones(len(boxes), np.float32), points)
    chips = ssd_networks.embedder.chips(frame, faces)
    templates, found = ssd_networks.embedder.embed(chips), ssd_networks.attributes.measure(chips)
    assert np.isfinite(templates).all()
    assert np.isfinite(found.valence).all()
    assert np.isfinite(found.mouth_open).all()
    outside = [list(DEGENERATE).index(name) for name in ("left of the frame", "below the frame")]
    assert not chips.aligned_rgb[outside].any()
    assert not chips.context_bgr[outside].any()
    assert chips.aligned_rgb[list(DEGENERATE).index("whole frame")].any()


def test_no_faces_give_empty_columns(ssd_networks: Networks) -> None:
    chips = ssd_networks.embedder.chips(np.zeros((90, 160, 3), np.uint8), Faces.none())
    assert len(chips) == 0
    assert ssd_networks.embedder.embed(chips).shape == (0, 1152)
    found = ssd_networks.attributes.measure(FaceChips.concatenate([chips, FaceChips.concatenate([])]))
    assert len(found) == 0
    assert found.expression.shape == (0, 7)
    assert found.mouth_open.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (31, 33), (0, 100), (720, 1280)])
def test_pictures_without_a_face_have_none(networks: Networks, shape: tuple[int, int]) -> None:
    assert len(networks.detector.detect(np.zeros((*shape, 3), np.uint8))) == 0


def test_five_hundred_faces_pass_in_one_call(ssd_networks: Networks, photos: dict[str, Bgr]) -> None:
    picture = photos["sample4.jpg"]
    faces = ssd_networks.detector.detect(picture)
    crowd = faces.select(np.arange(500) % len(faces))
    chips = ssd_networks.embedder.chips(picture, crowd)
    assert len(chips) == 500
    found = ssd_networks.attributes.measure(chips)
    assert found.mouth_open.shape == (500,)
    np.testing.assert_allclose(found.valence[: len(faces)], found.valence[-len(faces) :], atol=1e-5)


def test_detector_returns_no_more_than_it_may(photos: dict[str, Bgr], yunet_networks: Networks) -> None:
    from dataclasses import replace

    detector = yunet_networks.detector
    two = replace(detector, max_faces=2)  # pyright: ignore[reportArgumentType, reportUnknownVariableType, reportCallIssue]
    all_scores = detector.detect(photos["sample5.jpg"]).scores
    np.testing.assert_array_equal(two.detect(photos["sample5.jpg"]).scores, all_scores[:2])


def test_warm_up_runs_every_network(ssd_networks: Networks) -> None:
    ssd_networks.warm_up()
