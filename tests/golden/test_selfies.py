"""Selfies on both detectors: what is accepted, what is refused and with which word."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fanreel.contracts import SelfieRecord
from fanreel.demo.cast import PEOPLE
from fanreel.demo.selfies import LOOKS, cut_selfie
from fanreel.domain.faces import Bgr
from fanreel.inference.networks import Networks
from fanreel.inference.pictures import REDUCE_FROM_PX, decode_picture, picture_size
from fanreel.inference.selfies import HINTS, measure_selfie, selfie_faces

pytestmark = pytest.mark.golden

# A crop of sample1.jpg with one woman on it: x0, y0, x1, y1.
WOMAN = ("sample1.jpg", (1290, 60, 1860, 720))
NEIGHBOURS = ("sample1.jpg", (280, 200, 1150, 860))


@pytest.fixture(params=["yunet_networks", "ssd_networks"])
def networks(request: pytest.FixtureRequest) -> Networks:
    return request.getfixturevalue(request.param)


def crop(photos: dict[str, Bgr], what: tuple[str, tuple[int, int, int, int]]) -> Bgr:
    name, (x0, y0, x1, y1) = what
    return photos[name][y0:y1, x0:x1].copy()


def encoded(picture: Bgr, kind: str = ".jpg") -> bytes:
    return cv2.imencode(kind, picture)[1].tobytes()


def measured(data: bytes, networks: Networks) -> SelfieRecord:
    record = measure_selfie(data, networks, blob_name="ann/1.jpg", blob_etag="7")
    assert (record.blob_name, record.blob_etag) == ("ann/1.jpg", "7")
    if record.status == "rejected":
        assert record.reason is not None
        assert record.hint == HINTS[record.reason]
        assert record.template is None
    return record


def row(record: SelfieRecord) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    assert record.status == "accepted", record.reason
    assert record.template is not None
    return record.template.unpack()[0]


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp"])
def test_a_good_selfie_is_accepted_in_every_format(kind: str, photos: dict[str, Bgr], networks: Networks) -> None:
    record = measured(encoded(crop(photos, WOMAN), kind), networks)
    assert np.linalg.norm(row(record)) == pytest.approx(1, abs=1e-4)
    assert record.female_probability is not None
    assert record.female_probability > 0.8
    assert record.quality > 0.5
    assert 180 < record.face_height_px < 350


def test_one_person_near_and_far_from_the_camera_is_one_template(
    photos: dict[str, Bgr], networks: Networks
) -> None:
    """A face that fills the picture and a small one in a large picture are both found."""
    selfie = crop(photos, WOMAN)
    usual = row(measured(encoded(selfie), networks))
    tight = selfie[120:400, 160:400]
    canvas = np.full((3_000, 2_400, 3), 90, np.uint8)
    canvas[1_200 : 1_200 + selfie.shape[0] // 2, 900 : 900 + selfie.shape[1] // 2] = cv2.resize(
        selfie, (selfie.shape[1] // 2, selfie.shape[0] // 2), interpolation=cv2.INTER_AREA
    )
    for picture in (cv2.resize(tight, None, fx=4, fy=4), canvas):
        distance = float(np.linalg.norm(usual - row(measured(encoded(np.asarray(picture, np.uint8)), networks))))
        assert distance < 0.5


def test_several_people_are_refused_and_a_small_one_behind_is_not(
    photos: dict[str, Bgr], networks: Networks
) -> None:
    assert measured(encoded(crop(photos, NEIGHBOURS)), networks).reason == "selfie_several_faces"
    selfie, other = crop(photos, WOMAN), crop(photos, ("sample2.jpg", (200, 60, 690, 560)))
    behind = cv2.resize(other, (150, 153), interpolation=cv2.INTER_AREA)
    wide = np.full((selfie.shape[0], selfie.shape[1] + 170, 3), 60, np.uint8)
    wide[:, : selfie.shape[1]] = selfie
    wide[20:173, -160:-10] = behind
    assert measured(encoded(wide), networks).status == "accepted"


def test_small_and_missing_faces_are_refused(photos: dict[str, Bgr], networks: Networks) -> None:
    selfie = crop(photos, WOMAN)
    small = cv2.resize(selfie, None, fx=0.17, fy=0.17, interpolation=cv2.INTER_AREA)
    bordered = np.full((400, 500, 3), 90, np.uint8)
    bordered[100 : 100 + small.shape[0], 100 : 100 + small.shape[1]] = small
    assert measured(encoded(bordered), networks).reason == "selfie_face_too_small"
    assert measured(encoded(np.full((300, 300, 3), 128, np.uint8)), networks).reason == "selfie_no_face"


def blurred(photos: dict[str, Bgr]) -> bytes:
    return encoded(np.asarray(cv2.GaussianBlur(crop(photos, WOMAN), (0, 0), 8), np.uint8))


def test_a_blurred_face_is_refused(photos: dict[str, Bgr], yunet_networks: Networks) -> None:
    assert measured(blurred(photos), yunet_networks).reason == "selfie_face_too_blurred"


def test_a_face_too_blurred_to_be_found_is_refused_too(photos: dict[str, Bgr], ssd_networks: Networks) -> None:
    assert measured(blurred(photos), ssd_networks).reason in ("selfie_face_too_blurred", "selfie_no_face")


def aligned_parts(networks: Networks, picture: Bgr) -> tuple[np.ndarray[Any, Any], float]:
    """The five points of the only face, and the distance of its eyes, pixels."""
    points = selfie_faces(networks.detector, picture).points[0]
    return points, float(np.linalg.norm(points[1] - points[0]))


def covered(picture: Bgr, middle: np.ndarray[Any, Any], width: float, height: float) -> Bgr:
    x, y = middle
    shown = picture.copy()
    corners = (round(x - width / 2), round(y - height / 2)), (round(x + width / 2), round(y + height / 2))
    return np.asarray(cv2.rectangle(shown, *corners, (40, 40, 40), -1), np.uint8)


@pytest.mark.parametrize(
    ("disturbance", "reason"),
    [
        ("dark", "selfie_too_dark"),
        ("bright", "selfie_too_bright"),
        ("eyes", "selfie_eyes_covered"),
        ("glasses", "selfie_eyes_covered"),
        ("mouth", "selfie_mouth_covered"),
    ],
)
def test_what_spoils_a_good_selfie_is_named(
    disturbance: str, reason: str, photos: dict[str, Bgr], networks: Networks
) -> None:
    """A face in bad light may not even be found by the tiled SSD; what its hint says then helps as well."""
    person = next(one for one in PEOPLE if one.name == "dina")
    selfie = cut_selfie(photos[person.photo], person, LOOKS[0])
    assert measured(encoded(selfie), networks).status == "accepted"
    found = measured(encoded(disturbed(selfie, disturbance, networks)), networks).reason
    in_bad_light = disturbance in ("dark", "bright") and networks.detector.name != "yunet"
    assert found == reason or (in_bad_light and found == "selfie_no_face")


def disturbed(selfie: Bgr, how: str, networks: Networks) -> Bgr:
    if how == "dark":
        return np.clip(selfie * 0.13, 0, 255).astype(np.uint8)
    if how == "bright":
        return np.clip(selfie * 1.5 + 110, 0, 255).astype(np.uint8)
    points, eye_distance = aligned_parts(networks, selfie)
    if how == "eyes":
        return covered(selfie, points[:2].mean(axis=0), 2.0 * eye_distance, 0.6 * eye_distance)
    if how == "mouth":
        below = np.array([0, 0.15 * eye_distance])
        return covered(selfie, points[3:].mean(axis=0) + below, 1.6 * eye_distance, 1.1 * eye_distance)
    shown = selfie.copy()
    for x, y in points[:2]:
        axes = (round(0.42 * eye_distance), round(0.32 * eye_distance))
        cv2.ellipse(shown, (round(float(x)), round(float(y))), axes, 0, 0, 360, (20, 20, 20), -1)
    return shown


def test_every_selfie_of_the_demo_is_accepted_without_advice(photos: dict[str, Bgr], networks: Networks) -> None:
    for person in PEOPLE:
        record = measured(encoded(cut_selfie(photos[person.photo], person, LOOKS[1])), networks)
        assert (record.status, record.advice) == ("accepted", ()), person.name


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBPVP8 ", b"GIF89a" + bytes(64)],
    ids=["empty", "text", "jpeg start", "png start", "webp start", "gif"],
)
def test_what_is_no_picture_is_unreadable(data: bytes, ssd_networks: Networks) -> None:
    assert measured(data, ssd_networks).reason == "selfie_unreadable"


def test_huge_pictures_are_refused_before_they_are_decoded(ssd_networks: Networks) -> None:
    header = encoded(np.zeros((8, 8, 3), np.uint8), ".png")
    bomb = header[:16] + (60_000).to_bytes(4, "big") * 2 + header[24:]
    assert measured(bomb, ssd_networks).reason == "selfie_too_large"
    assert measured(header + bytes(31_000_000), ssd_networks).reason == "selfie_too_large"


def test_sizes_are_read_from_every_header() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (45, 67, 3), np.uint8)
    lossless = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    for data in (*(encoded(picture, kind) for kind in (".jpg", ".png", ".webp")), lossless):
        size = picture_size(data)
        assert size is not None
        assert (size.width, size.height) == (67, 45)


def test_large_photographs_are_decoded_smaller() -> None:
    large = encoded(np.zeros((100, 3 * REDUCE_FROM_PX, 3), np.uint8))
    assert decode_picture(large).shape[1] == 3 * REDUCE_FROM_PX // 4


def test_orientation_is_applied(shared_media: Path) -> None:
    """Seven files that show the same upright picture, stored in seven orientations."""
    folder = shared_media / "images" / "exif_orientation"
    pictures = [decode_picture(path.read_bytes()) for path in sorted(folder.glob("*.jpg"))]
    assert len(pictures) == 7
    for picture in pictures:
        assert picture.shape == (1800, 1200, 3)
        # The number in the middle differs; the dark figure below and the bright sky do not.
        assert picture[1200:1260, 500:530].mean() < 60
        assert picture[150:190, 650:700].mean() > 150


def test_every_selfie_of_the_shared_broadcast_is_accepted(shared_media: Path, networks: Networks) -> None:
    selfies = sorted((shared_media / "broadcast" / "selfies").glob("*/*"))
    assert len(selfies) == 16
    records = {path.name: measured(path.read_bytes(), networks) for path in selfies}
    assert not {name: one.reason for name, one in records.items() if one.reason}
    assert not {name: one.advice for name, one in records.items() if one.advice}
