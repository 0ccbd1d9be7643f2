"""The demo broadcast: made the same every time, as long as it says, with the truth beside it."""

import hashlib
import itertools
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fanreel.demo import make_demo
from fanreel.demo.cast import PEOPLE
from fanreel.demo.maker import VISIBLE_PART, _truth
from fanreel.demo.scenes import FPS, SHOTS, Shot, View
from fanreel.demo.sound import CHEERS_S, cheer_envelope
from fanreel.errors import InputRejected
from fanreel.local.servers import npm_package

pytestmark = pytest.mark.unit

SHORT = (Shot(6), Shot(10, "sample3.jpg", View(640, 500, 900), View(690, 480, 720)))


def test_the_same_demo_is_made_every_time(tmp_path: Path) -> None:
    package = npm_package("@vladmandic/face-api")
    made = [make_demo(tmp_path / name, package, shots=SHORT) for name in ("one", "two")]
    for pick in ("broadcast", "truth"):
        first, second = (hashlib.sha256(getattr(demo, pick).read_bytes()).hexdigest() for demo in made)
        assert first == second
    with av.open(str(made[0].broadcast)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (1280, 720, FPS)
        assert video.frames == 16
        assert audio.duration is not None
        assert audio.time_base is not None
        assert abs(float(audio.duration * audio.time_base) - 16 / FPS) < 0.05
    for person in PEOPLE:
        selfies = sorted((made[0].fans / person.name).iterdir())
        assert [path.name for path in selfies] == ["1.jpg", "2.jpg", "3.jpg"]
        pictures = [cv2.imread(str(path)) for path in selfies]
        assert len({picture.shape for picture in pictures if picture is not None}) == 3


def test_a_demo_that_is_there_is_left_alone(tmp_path: Path) -> None:
    package = npm_package("@vladmandic/face-api")
    demo = make_demo(tmp_path, package, shots=SHORT)
    before = demo.broadcast.stat().st_mtime_ns
    make_demo(tmp_path, package, shots=SHORT)
    assert demo.broadcast.stat().st_mtime_ns == before


def test_missing_photographs_are_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="npm ci"):
        make_demo(tmp_path / "demo", tmp_path, shots=SHORT)
    assert not (tmp_path / "demo" / "broadcast.mp4").exists()


def test_the_truth_fits_the_broadcast() -> None:
    truth = _truth(SHOTS)
    assert 40_000 <= truth["durationMs"] <= 60_000
    edges = [0, *truth["cutsMs"], truth["durationMs"]]
    for spans in truth["people"].values():
        for start, end in spans:
            # Nobody is seen across a cut.
            assert any(low <= start < end <= high for low, high in itertools.pairwise(edges))
    shown = {name for name, spans in truth["people"].items() if spans}
    assert shown == {person.name for person in PEOPLE if person.in_broadcast}
    assert {person.name for person in PEOPLE} - shown == {"zoe"}
    assert 0 < VISIBLE_PART < 1


def test_the_crowd_cheers_when_it_is_said_to() -> None:
    seconds = np.arange(0, 50, 0.1)
    level = cheer_envelope(seconds)
    for start in CHEERS_S:
        assert level[np.searchsorted(seconds, start + 0.4)] > 0.8
        assert level[np.searchsorted(seconds, start - 0.1)] < 0.2
