"""HEIC and AVIF as telephones send them: right side up, in the right colours, and never a surprise when broken."""

import io
import random
import struct
from functools import cache

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from fanreel.domain.faces import Bgr
from fanreel.errors import InputRejected
from fanreel.inference.heif import HeifBroken, decode_heif, is_heif, read_heif
from fanreel.inference.heif.picture import MAX_SIDE_PX, MAX_TILES
from fanreel.inference.networks import Networks
from fanreel.inference.pictures import MAX_PIXELS, decode_picture, picture_size
from fanreel.inference.selfies import measure_selfie

from .heif_files import code_tile, grid_heic, tiled_heic
from .network_inputs import PHOTOS

pytestmark = pytest.mark.golden

pillow_heif.register_heif_opener()

# EXIF orientation: quarter turns anticlockwise that telephones write as `irot` for it.
TURNS = {1: 0, 6: 3, 3: 2, 8: 1}


@cache
def photograph() -> Bgr:
    """Not square, not a multiple of a tile, and different in every corner."""
    return np.asarray(cv2.imread(str(PHOTOS / "sample3.jpg")), np.uint8)[:600, :700].copy()


@cache
def telephone_picture(orientation: int) -> bytes:
    return tiled_heic(photograph(), quarters=TURNS[orientation], orientation=orientation)


def by_pillow(picture: Bgr, kind: str, orientation: int = 1, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x112] = orientation
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(out, kind, exif=exif.tobytes(), **options)
    return out.getvalue()


def seen_by_pillow(data: bytes) -> Bgr:
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return np.asarray(shown.convert("RGB"), np.uint8)[..., ::-1]


def difference(one: Bgr, other: Bgr) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("orientation", TURNS)
def test_a_tiled_telephone_picture_is_turned_once(orientation: int) -> None:
    """Its EXIF says the same turn again; libheif reads the file as we do."""
    data = telephone_picture(orientation)
    shown = decode_picture(data)
    assert difference(shown, np.rot90(photograph(), TURNS[orientation])) < 4  # lossy
    assert difference(shown, seen_by_pillow(data)) < 2.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [("HEIF", {"chroma": 444}), ("AVIF", {"subsampling": "4:4:4"})])
def test_other_encoders_files_are_shown_as_they_show_them(
    kind: str, options: dict[str, object], orientation: int
) -> None:
    """Mirrored ones too, and with sides that the codec has to pad."""
    data = by_pillow(photograph()[:201, :333], kind, orientation, quality=90, **options)
    assert difference(decode_picture(data), seen_by_pillow(data)) < 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_webp_and_png_are_turned_as_their_exif_says(kind: str, orientation: int) -> None:
    data = by_pillow(photograph()[:200, :333], kind, orientation, lossless=True)
    assert difference(decode_picture(data), seen_by_pillow(data)) == 0


def test_the_size_is_known_before_decoding() -> None:
    size = picture_size(telephone_picture(6))
    assert size is not None
    assert (size.kind, size.width, size.height) == ("heif", 700, 600)


def test_a_large_picture_is_decoded_smaller() -> None:
    data = telephone_picture(8)
    half = decode_heif(read_heif(data, MAX_PIXELS), 2)
    whole = decode_picture(data)
    assert half.shape == (350, 300, 3)
    assert difference(half, np.asarray(cv2.resize(whole, (300, 350), interpolation=cv2.INTER_AREA), np.uint8)) < 2


def test_a_heic_selfie_gives_the_template_of_its_jpeg(ssd_networks: Networks) -> None:
    woman = np.asarray(cv2.imread(str(PHOTOS / "sample1.jpg")), np.uint8)[60:720, 1290:1860].copy()
    rows = []
    for data in (
        cv2.imencode(".jpg", woman)[1].tobytes(),
        tiled_heic(np.rot90(woman).copy(), quarters=3, orientation=6),
    ):
        record = measure_selfie(data, ssd_networks, blob_name="ann/1.heic", blob_etag="1")
        assert record.template is not None, record.reason
        rows.append(record.template.unpack()[0])
    assert np.linalg.norm(rows[0] - rows[1]) < 0.1


def test_a_cut_off_picture_is_unreadable_wherever_it_is_cut(ssd_networks: Networks) -> None:
    data = telephone_picture(1)
    media = data.index(b"mdat")
    for length in (12, 16, 40, media // 2, media + 4, media + 500, len(data) * 2 // 3, len(data) - 200):
        record = measure_selfie(data[:length], ssd_networks, blob_name="ann/1.heic", blob_etag="1")
        assert record.reason == "selfie_unreadable"
        assert record.hint


def test_damage_never_ends_in_anything_but_a_picture_or_a_reason() -> None:
    data, draw = telephone_picture(1), random.Random(5)
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(draw.choice([1, 4, 30])):
            broken[draw.randrange(draw.choice([800, len(broken)]))] = draw.randrange(256)
        try:
            decode_picture(bytes(broken))
        except InputRejected as error:
            refused += error.code in ("picture_unreadable", "picture_too_large")
    assert refused > 150


def with_size(data: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    """Say another size of what had the old one (`ispe`)."""
    place = data.index(b"ispe" + bytes(4) + struct.pack(">II", *old)) + 8
    return data[:place] + struct.pack(">II", *new) + data[place + 8 :]


def test_bombs_are_refused_before_anything_is_decoded() -> None:
    data = telephone_picture(1)
    with pytest.raises(InputRejected, match="picture_too_large"):
        decode_picture(with_size(data, (700, 600), (60_000, 60_000)))
    with pytest.raises(InputRejected, match="picture_unreadable"):  # small on the whole, huge in its tiles
        decode_picture(with_size(data, (256, 256), (40_000, 40_000)))
    larger_than_said = with_size(by_pillow(photograph()[:512, :640], "HEIF", quality=90), (640, 512), (64, 64))
    with pytest.raises(InputRejected, match="picture_unreadable"):
        decode_picture(larger_than_said)


@cache
def flat_tile(side_px: int) -> tuple[bytes, bytes]:
    return code_tile(np.full((side_px, side_px, 3), 90, np.uint8))


def test_a_grid_of_another_size_than_its_picture_is_refused() -> None:
    """120 megapixels in 13 kB: what is decided by one size must not be decoded by another."""
    data = grid_heic([flat_tile(2_000)] * 30, (5, 6), (12_000, 10_000), tile_px=2_000)
    assert decode_picture(data).shape == (2_500, 3_000, 3)
    with pytest.raises(HeifBroken, match="another size"):
        read_heif(with_size(data, (12_000, 10_000), (1_000, 1_000)), MAX_PIXELS)


def test_tiles_far_larger_than_the_picture_are_refused_or_decoded_smaller() -> None:
    one = grid_heic([flat_tile(4_160)], (1, 1), (500, 400), tile_px=4_160)
    assert decode_picture(one).shape == (200, 250, 3)
    several = grid_heic([flat_tile(2_000)] * 4, (2, 2), (500, 400), tile_px=2_000)
    with pytest.raises(HeifBroken, match="shows nothing"):
        read_heif(several, MAX_PIXELS)


def test_a_lopsided_claim_does_not_let_a_large_picture_in() -> None:
    """The decoder may go beyond a claim by a block's padding: for millions by one, a bomb of its own."""
    data = grid_heic([flat_tile(2_000)], (1, 1), (2_000, 2_000), tile_px=2_000)

    def claiming(width: int, height: int) -> bytes:
        said_of_tile = with_size(data, (2_000, 2_000), (width, height))
        grid_too = with_size(said_of_tile, (2_000, 2_000), (width, height))
        return grid_too.replace(struct.pack(">BBBBHH", 0, 0, 0, 0, 2_000, 2_000), struct.pack(
            ">BBBBHH", 0, 0, 0, 0, width, height
        ))  # fmt: skip

    with pytest.raises(HeifBroken, match="a side is longer"):
        read_heif(with_size(by_pillow(photograph(), "HEIF"), (700, 600), (4_000_000, 1)), MAX_PIXELS)
    lopsided = read_heif(claiming(MAX_SIDE_PX, 1), MAX_PIXELS)
    with pytest.raises(HeifBroken, match="cannot be decoded"):  # by the decoder itself, before it has pixels
        decode_heif(lopsided)


def test_an_item_with_very_many_properties_is_refused() -> None:
    """Every tile looks through its properties: 2,048 × 900,000 of them would take minutes."""
    few = grid_heic([flat_tile(256)], (1, 1), (256, 256), said_again=60)
    assert decode_picture(few).shape == (256, 256, 3)
    many = grid_heic([flat_tile(256)], (1, 1), (256, 256), said_again=900_000)
    assert len(many) < 1_000_000
    with pytest.raises(HeifBroken, match="too many properties"):
        read_heif(many, MAX_PIXELS)


def test_a_tile_named_twice_is_refused() -> None:
    shape = (32, MAX_TILES // 32)
    data = grid_heic([flat_tile(128)], shape, (shape[1] * 128, 4_096), tile_px=128, parts=(1,) * MAX_TILES)
    with pytest.raises(HeifBroken, match="named twice"):
        read_heif(data, MAX_PIXELS)


def test_a_far_too_long_decoder_configuration_is_refused() -> None:
    """Every tile's decoder would read it anew."""
    configuration, coded = flat_tile(256)
    data = grid_heic([(configuration + bytes(100_000), coded)], (1, 1), (256, 256))
    with pytest.raises(HeifBroken, match="decoder configuration"):
        read_heif(data, MAX_PIXELS)


def test_a_picture_in_one_piece_is_decoded_smaller_even_with_odd_sides() -> None:
    data = by_pillow(photograph()[:201, :333], "AVIF", quality=90, subsampling="4:4:4")
    assert decode_heif(read_heif(data, MAX_PIXELS), 4).shape == (51, 84, 3)


def test_tiles_that_share_their_data_are_refused() -> None:
    """Many tiles made of the same bytes would be decoded many times over."""
    data = telephone_picture(1)
    iloc = data.index(b"iloc") + 4 + 4 + 4
    entry = 16
    first = data[iloc + 8 : iloc + entry]
    shared = bytearray(data)
    for tile in range(9):
        shared[iloc + tile * entry + 8 : iloc + (tile + 1) * entry] = first[:4] + struct.pack(">I", len(data) // 4)
    with pytest.raises(HeifBroken):
        read_heif(bytes(shared), MAX_PIXELS)


def test_other_files_in_the_same_boxes_are_no_pictures() -> None:
    for brand in (b"isom", b"mp42", b"qt  "):
        assert not is_heif(struct.pack(">I4s4s4x", 16, b"ftyp", brand) + bytes(64))
