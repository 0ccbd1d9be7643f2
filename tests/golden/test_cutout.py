"""A person cut out of a picture and of a film, against mattes drawn by hand and composed here."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.cutout import Cut, backgrounds, compose, overlap, people
from fanreel.adapters.media.cutout import FilmWriter, SteadyAlpha, poster_of
from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.commands.cutout import cutout
from fanreel.domain.faces import F32, Bgr
from fanreel.errors import InputRejected
from fanreel.inference.catalogue import catalogue
from fanreel.inference.packs import state_of
from fanreel.inference.segmentation import PersonMasks
from fanreel.settings import Settings

pytestmark = pytest.mark.golden

NEEDS_YUNET = pytest.mark.skipif(
    not state_of(catalogue().entry("yunet"), Settings().model_dir).ready,
    reason="the tiled SSD misses some of these composed faces; `fanreel models pull` fetches YuNet",
)

RATE = Fraction(10)


@pytest.fixture(scope="module")
def masks() -> PersonMasks:
    return PersonMasks.load(Settings())


@pytest.fixture(scope="module")
def cast() -> list[Cut]:
    return people(Settings().node_modules)


@pytest.fixture(scope="module")
def walls() -> dict[str, Bgr]:
    return backgrounds(Settings().node_modules)


@pytest.mark.parametrize("wall", ["bar", "pitch", "noise"])
def test_a_person_alone_is_cut_out_nearly_as_by_hand(
    masks: PersonMasks, cast: list[Cut], walls: dict[str, Bgr], wall: str
) -> None:
    for one in cast:
        picture, truth, face = compose(one, walls[wall], 560, 0.5)
        assert overlap(masks.person(picture, face), truth) > 0.9, one.name


def test_whoever_stands_beside_is_left_away(masks: PersonMasks, cast: list[Cut], walls: dict[str, Bgr]) -> None:
    one, other = cast
    behind, others_alpha, rival = compose(other, walls["pitch"], 420, 0.25)
    picture, truth, face = compose(one, behind, 420, 0.68)
    alpha = masks.person(picture, face, [rival])
    assert overlap(alpha, truth) > 0.85
    x0, y0, x1, y1 = rival
    assert alpha[y0:y1, x0:x1].max() < 0.1, "the other's face"
    assert masks.people(picture)[y0:y1, x0:x1].mean() > 0.5, "whom the network alone would have left in"
    assert others_alpha[y0:y1, x0:x1].mean() > 0.5


def test_a_face_at_the_edge_or_outside_is_no_fault(masks: PersonMasks, walls: dict[str, Bgr]) -> None:
    picture = walls["bar"]
    for face in ((-90, -90, -10, -10), (600, 600, 700, 700), (0, 0, 1, 1), (900, 100, 990, 190)):
        alpha = masks.person(picture, face)
        assert alpha.shape == picture.shape[:2]
        assert 0 <= alpha.min() <= alpha.max() <= 1


def a_walk(one: Cut, wall: Bgr, count: int) -> list[tuple[Bgr, F32, tuple[int, int, int, int]]]:
    """A person who moves to the right, 12 pixels a frame, with a camera's noise."""
    rng = np.random.default_rng(7)
    frames: list[tuple[Bgr, F32, tuple[int, int, int, int]]] = []
    for index in range(count):
        picture, alpha, face = compose(one, wall, 420, 0.35 + 12 * index / wall.shape[1])
        noisy = picture + rng.normal(0, 4, picture.shape)
        frames.append((np.clip(noisy, 0, 255).astype(np.uint8), alpha, face))
    return frames


def test_a_cut_holds_still_over_time_and_follows_who_moves(
    masks: PersonMasks, cast: list[Cut], walls: dict[str, Bgr]
) -> None:
    rng = np.random.default_rng(3)
    steady, flicker, held = SteadyAlpha(), list[float](), list[float]()
    last: tuple[F32, F32] | None = None
    for picture, truth, face in a_walk(cast[0], walls["bar"], 6):
        alpha = masks.person(picture, face)
        # What a network's doubt looks like: whole patches that come and go.
        doubt = cv2.resize(rng.uniform(0.4, 1, (8, 8)).astype(np.float32), alpha.shape[::-1])
        shaky = np.asarray(alpha * doubt, np.float32)
        calm = steady.next(picture, shaky)
        inside = truth > 0.9
        if last is not None:
            flicker.append(float(np.abs(shaky - last[0])[inside].mean()))
            held.append(float(np.abs(calm - last[1])[inside].mean()))
        last = shaky, calm
        assert overlap(steady.next(picture, alpha), truth) > 0.85
    assert np.mean(held) < 0.7 * np.mean(flicker)


def test_a_new_scene_keeps_nothing_of_the_old_one(walls: dict[str, Bgr]) -> None:
    steady = SteadyAlpha()
    steady.next(walls["bar"], np.ones(walls["bar"].shape[:2], np.float32))
    alpha = steady.next(255 - walls["noise"], np.zeros(walls["bar"].shape[:2], np.float32))
    assert alpha.mean() < 0.05


def test_a_poster_shows_the_person_large_on_the_brands_colours(cast: list[Cut], walls: dict[str, Bgr]) -> None:
    picture, truth, _ = compose(cast[0], walls["pitch"], 300, 0.3)
    poster = poster_of(picture, truth, (640, 360), "#200040", "#f0c000")
    assert poster is not None
    assert poster.shape == (360, 640, 3)
    green = (np.abs(poster.astype(int) - (60, 140, 70)) < 12).all(2)
    assert green.mean() < 0.002, "nothing of the old background is left"
    assert (np.abs(poster[:40, :40].astype(int) - poster[-40:, 300:340]).mean()) > 10
    assert poster_of(picture, np.zeros_like(truth), (640, 360), "#200040", "#f0c000") is None


def test_the_command_cuts_a_film_and_keeps_its_length(
    tmp_path: Path, cast: list[Cut], walls: dict[str, Bgr]
) -> None:
    film, out = tmp_path / "film.mp4", tmp_path / "cut.mp4"
    walk = a_walk(cast[0], walls["pitch"], 8)
    with FilmWriter(film, (640, 640), RATE) as writer:
        for picture, _, _ in walk:
            writer.write(picture)
    cutout(film, out, background="#0000ff", face="", start=0.0, end=None)
    with av.open(str(out)) as container:
        shown = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(shown) >= 8
    for _, truth, _ in walk[:1]:
        blue = shown[0][truth < 0.01].mean(0)
        assert blue[0] > 200, "the pitch has become blue"
        assert blue[1] < 60
        assert overlap((shown[0][..., 0] < 180).astype(np.float32), truth) > 0.8
    assert sorted(tmp_path.iterdir()) == [out, film], "nothing else is left"


def film_with_sounds(folder: Path, pictures: list[Bgr]) -> Path:
    """Pictures, and two sounds beside them: 440 Hz first, then 3 kHz."""
    silent, film = folder / "silent.mp4", folder / "film.mp4"
    with FilmWriter(silent, (pictures[0].shape[1], pictures[0].shape[0]), RATE) as writer:
        for picture in pictures:
            writer.write(picture)
    tones = [part for hz in (440, 3_000) for part in ("-f", "lavfi", "-i", f"sine={hz}:d={len(pictures) / 10}")]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "copy", "-c:a", "aac"]
    command = [ffmpeg_binary(), "-v", "error", "-i", str(silent), *tones, *maps, str(film)]
    subprocess.run(command, check=True)
    silent.unlink()
    return film


def test_a_webm_is_vp9_and_opus_with_a_background_too_and_has_the_first_sound_alone(
    tmp_path: Path, cast: list[Cut], walls: dict[str, Bgr]
) -> None:
    film = film_with_sounds(tmp_path, [picture for picture, _, _ in a_walk(cast[0], walls["pitch"], 3)])
    for name, background, is_see_through in (("seen.webm", "brand", False), ("through.WEBM", "none", True)):
        cutout(film, tmp_path / name, background=background, face="", start=0.0, end=None)
        command = [ffmpeg_binary(), "-i", str(tmp_path / name)]
        told = subprocess.run(command, check=False, capture_output=True, text=True).stderr
        assert "Video: vp9" in told
        assert ("alpha_mode" in told.lower()) == is_see_through
        with av.open(str(tmp_path / name)) as container:
            (sound,) = container.streams.audio
            assert sound.codec_context.name in ("opus", "libopus")
            heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(sound)])
        loudest = np.fft.rfftfreq(len(heard), 1 / 48_000)[np.abs(np.fft.rfft(heard)).argmax()]
        assert abs(loudest - 440) < 20


def test_the_edge_that_makes_a_size_even_is_seen_through_as_well(tmp_path: Path) -> None:
    out = tmp_path / "odd.webm"
    with FilmWriter(out, (63, 63), RATE, transparent=True) as writer:
        for _ in range(3):
            writer.write(np.full((63, 63, 3), 200, np.uint8), np.zeros((63, 63), np.float32))
    command = [ffmpeg_binary(), "-v", "error", "-c:v", "libvpx-vp9", "-i", str(out), "-pix_fmt", "rgba"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], check=True, capture_output=True).stdout
    assert np.frombuffer(raw, np.uint8).reshape(-1, 64, 64, 4)[..., 3].max() < 8


def test_nobody_at_the_face_that_was_named_writes_no_film(
    tmp_path: Path, cast: list[Cut], walls: dict[str, Bgr]
) -> None:
    picture, _, face = compose(cast[0], walls["pitch"], 420, 0.5)
    with FilmWriter(tmp_path / "film.mp4", (640, 640), RATE) as writer:
        for shown in (walls["pitch"], picture, picture):
            writer.write(shown)
    named = f"{(face[0] + face[2]) // 2},{(face[1] + face[3]) // 2}"
    with pytest.raises(InputRejected) as rejected:
        cutout(tmp_path / "film.mp4", tmp_path / "cut.mp4", background="brand", face=named, start=0.0, end=None)
    assert rejected.value.code == "no_face_found"
    assert [one.name for one in tmp_path.iterdir()] == ["film.mp4"]


@NEEDS_YUNET
def test_a_picture_is_cut_out_with_transparency(tmp_path: Path, cast: list[Cut], walls: dict[str, Bgr]) -> None:
    picture, truth, face = compose(cast[1], walls["bar"], 560, 0.5)
    cv2.imwrite(str(tmp_path / "in.png"), picture)
    middle = f"{(face[0] + face[2]) // 2},{(face[1] + face[3]) // 2}"
    cutout(tmp_path / "in.png", tmp_path / "out.png", background="none", face=middle, start=0.0, end=None)
    found = np.asarray(cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED))
    assert found.shape == (*truth.shape, 4)
    assert overlap((found[..., 3] / 255).astype(np.float32), truth) > 0.9


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source": "none.mp4"}, "no_such_file"),
        ({"out": "cut.gif"}, "bad_out"),
        ({"background": "none", "out": "cut.jpg"}, "bad_out"),
        ({"background": "#12"}, "bad_background"),
        ({"background": "no.png"}, "bad_background"),
        ({"face": "left"}, "bad_face"),
    ],
)
def test_a_wrong_wish_is_told_before_anything_is_done(tmp_path: Path, changes: dict[str, str], code: str) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), np.zeros((64, 64, 3), np.uint8))
    wish = {"source": "in.png", "out": "cut.png", "background": "brand", "face": "", **changes}
    with pytest.raises(InputRejected) as rejected:
        cutout(
            tmp_path / wish["source"],
            tmp_path / wish["out"],
            background=wish["background"],
            face=wish["face"],
            start=0.0,
            end=None,
        )
    assert rejected.value.code == code


def test_a_picture_without_a_face_is_told_so(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), np.full((200, 200, 3), 90, np.uint8))
    with pytest.raises(InputRejected) as rejected:
        cutout(tmp_path / "in.png", tmp_path / "out.png", background="brand", face="", start=0.0, end=None)
    assert rejected.value.code == "no_face_found"
    assert not (tmp_path / "out.png").exists()
