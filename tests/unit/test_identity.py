"""Whose moments a track holds: nobody gets a sighting that no face of theirs vouches for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanreel.contracts import Shot
from fanreel.domain.appearances import build_appearances
from fanreel.domain.identity import NOBODY, people_of_faces, recognised
from fanreel.domain.stitching import FaceSamples, WholeTrack
from fanreel.domain.templates import pool_template

pytestmark = pytest.mark.unit

SAMPLE_MS = 200
WIDTH = 256


def embedded(names: str, *, every_ms: int = 400, noise: float = 0.3, seed: int = 0) -> FaceSamples:
    """One face per letter of `names`, `every_ms` apart; strangers lie about 1.0 apart, own faces about .4."""
    random = np.random.default_rng(seed)
    common = unit(random.normal(size=WIDTH))
    centre = {name: unit(common + unit(random.normal(size=WIDTH))) for name in sorted(set(names))}
    rows = [unit(centre[name] + noise * unit(random.normal(size=WIDTH))) for name in names]
    column = np.full(len(names), 0.8, np.float32)
    pts = np.arange(len(names), dtype=np.int64) * every_ms
    unseen = np.full((len(names), 3), np.nan, np.float32)
    return FaceSamples(pts, column, column, column * 100, column, column * 30, np.array(rows, np.float32), unseen)


def followed(sightings: int, faces: FaceSamples | None) -> WholeTrack:
    """A face that stays where it is, seen every SAMPLE_MS from 0 on."""
    column = np.full(sightings, 0.8, np.float32)
    boxes = np.tile(np.array([100, 100, 200, 200]), (sightings, 1))
    pts = np.arange(sightings, dtype=np.int64) * SAMPLE_MS
    return WholeTrack(
        pts, boxes, column, column, column, column, column, np.zeros((sightings, 7), np.float32), faces
    )


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def drawn(person: np.ndarray) -> str:
    """Letters in order of first coming, a dot for nobody."""
    names: dict[int, str] = {NOBODY: "."}
    return "".join(names.setdefault(int(number), "ABCDEF"[len(names) - 1]) for number in person)


@pytest.mark.parametrize(
    ("faces", "found"),
    [
        ("AAAAAAAA", "AAAAAAAA"),
        ("AAAABBBB", "AAAABBBB"),
        ("AAAABBAAAA", "AAAABBCCCC"),
        ("AABBBBBBBBAA", "AABBBBBBBBCC"),
        ("AABBCCAA", "AABBCCDD"),
        ("AAAABAAAA", "AAAABCCCC"),
        ("BAAAA", "ABBBB"),
        ("AAB", "AAB"),
        ("AB", "AB"),
        ("A", "A"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_every_change_of_person_is_found(faces: str, found: str, seed: int) -> None:
    assert drawn(people_of_faces(embedded(faces, seed=seed))) == found


def test_a_long_track_is_searched_in_blocks_without_missing_a_short_visitor() -> None:
    names = "A" * 400 + "BBB" + "A" * 200
    assert drawn(people_of_faces(embedded(names))) == "A" * 400 + "BBB" + "C" * 200


@given(st.integers(0, 1000), st.integers(1, 40))
def test_one_persons_track_stays_whole(seed: int, faces: int) -> None:
    assert drawn(people_of_faces(embedded("A" * faces, seed=seed))) == "A" * faces


@pytest.mark.parametrize("names", ["A", "AAA"])
def test_before_the_first_and_after_the_last_face_it_is_nobody(names: str) -> None:
    faces = embedded(names, every_ms=400)
    sightings = np.arange(-2000, 4000, 100)
    known = sightings[recognised(sightings, faces) != NOBODY]
    assert (known.min(), known.max()) == (0, faces.pts_ms[-1])


def test_between_two_faces_that_agree_each_vouches_for_a_second() -> None:
    faces = embedded("AA", every_ms=2000)
    sightings = np.arange(0, 2001, SAMPLE_MS)
    assert (recognised(sightings, faces) != NOBODY).all()


def test_a_single_sighting_cut_off_a_known_face_stays_known_and_one_on_its_own_does_not() -> None:
    faces = embedded("AA", every_ms=400)
    looks, shots = range(0, 4000, SAMPLE_MS), [Shot(start_ms=0, end_ms=4000)]
    known, rest = build_appearances([followed(4, faces)], shots, looks)
    assert (known.start_ms, known.end_ms, known.pooled is not None) == (0, 600, True)
    assert (rest.start_ms, rest.end_ms, rest.pooled) == (600, 800, None)
    assert build_appearances([followed(1, None)], shots, looks) == []


def test_poor_seconds_between_two_good_ones_are_nobodys() -> None:
    faces = embedded("AA", every_ms=5000)
    sightings = np.arange(0, 5001, SAMPLE_MS)
    whose = recognised(sightings, faces)
    assert sightings[whose == NOBODY].tolist() == list(range(1200, 4000, SAMPLE_MS))


@given(st.text("ABC", min_size=1, max_size=12), st.sampled_from([400, 1000, 1800]))
def test_no_sighting_beside_a_strangers_face_is_anybodys(names: str, every_ms: int) -> None:
    faces = embedded(names, every_ms=every_ms)
    sightings = np.arange(-1000, int(faces.pts_ms[-1]) + 1001, SAMPLE_MS)
    person, whose = people_of_faces(faces), recognised(sightings, faces)
    for pts, who in zip(sightings.tolist(), whose.tolist(), strict=True):
        if who == NOBODY:
            continue
        before, after = person[faces.pts_ms <= pts], person[faces.pts_ms >= pts]
        assert (before[-1], after[0]) == (who, who)
        assert np.abs(faces.pts_ms - pts).min() <= 1000


def test_the_spread_gives_back_the_mean_cosine_the_calibration_was_measured_with() -> None:
    faces = embedded("AAAA", noise=0.2)
    vectors = np.concatenate([faces.vectors[:3], embedded("AAAA", noise=0.7).vectors[3:]])
    pooled = pool_template(vectors, faces.quality)
    assert pooled.kept.all()
    assert 1 - pooled.spread**2 / 2 == pytest.approx(float((vectors @ pooled.template).mean()), abs=1e-6)
    assert pooled.cohesion == pytest.approx(1 - pooled.spread**2 / 2)
