"""The poster of a montage whose profile wants the fan cut out: them, large, and nobody else."""

from pathlib import Path

import numpy as np
import pytest

from activities.montage_plans import Material
from activities.posters import poster_picture
from benchmarks.cutout import backgrounds, compose, people
from fanreel.contracts import AppearanceDocument, FocusPoint, MontageClip, MontagePlan, RenderStyle
from fanreel.domain.faces import Bgr
from fanreel.domain.montage import Poster
from fanreel.inference.segmentation import Box
from fanreel.settings import Settings
from tests.plain_media import plain_media
from tests.unit.montage_material import CONTRACT, match

pytestmark = pytest.mark.golden

MEDIA = plain_media(10_000).model_copy(update={"width": 640, "height": 640})
"""A square source in a wide film: half as large, in the middle."""
SIZE = (568, 320)


def two_people() -> tuple[Bgr, Box, Box]:
    """The fan on the right, somebody else on the left; boxes in pixels of the source."""
    settings = Settings()
    fan, other = people(settings.node_modules)
    behind, _, rival = compose(other, backgrounds(settings.node_modules)["pitch"], 420, 0.25)
    picture, _, face = compose(fan, behind, 420, 0.68)
    return picture, face, rival


def in_film(picture: Bgr) -> Bgr:
    film = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    film[:, 124:444] = picture.reshape(320, 2, 320, 2, 3).mean((1, 3))
    return film


def plan(face: Box, poster: str, *, formats: tuple[str, ...] = ("16:9",)) -> MontagePlan:
    clip = MontageClip(
        video_id="v-1",
        start_ms=0,
        end_ms=4_000,
        score=1,
        reason="",
        appearance_id="own",
        focus=(FocusPoint(pts_ms=2_000, box=face),),
    )
    return MontagePlan(
        montage_id="m-1",
        fan_id="ana",
        event_id="cup",
        clips=(clip,),
        duration_ms=4_000,
        crossfade_ms=0,
        width=SIZE[0],
        height=SIZE[1],
        render=RenderStyle.model_validate(
            {"poster": poster, "formats": formats, "brand_colour": "#000060", "accent_colour": "#0000ff"}
        ),
    )


def seen(name: str, *boxes: Box) -> AppearanceDocument:
    return AppearanceDocument(
        id=name,
        video_id="v-1",
        event_id="cup",
        start_ms=0,
        end_ms=4_000,
        shot_index=0,
        pts_ms=(2_000,),
        boxes=boxes,
        model_contract=CONTRACT,
    )


def others(rival: Box) -> Material:
    return Material((), {"other": seen("other", rival)}, {})


def test_the_fan_alone_stands_on_the_brands_colours() -> None:
    picture, face, rival = two_people()
    make = poster_picture(Settings(), plan(face, "cutout"), Poster(0, 2_000), others(rival), MEDIA)
    assert make is not None
    poster = make(in_film(picture))
    assert poster.shape == (SIZE[1], SIZE[0], 3)
    pitch = (np.abs(poster.astype(int) - (60, 140, 70)) < 15).all(2)
    assert pitch.mean() < 0.01
    blond = (poster[..., 2] > 150) & (poster[..., 0] < poster[..., 2] - 40)
    assert 0.005 < blond.mean() < 0.3, "skin is still there"
    corner = poster[:30, :60].reshape(-1, 3).mean(0)
    assert corner[0] > 2 * max(corner[1], corner[2]), "and the brand's blue around it"


def test_a_profile_that_wants_the_frame_gets_the_frame() -> None:
    _, face, rival = two_people()
    assert poster_picture(Settings(), plan(face, "frame"), Poster(0, 2_000), others(rival), MEDIA) is None


def test_a_film_that_is_upright_first_keeps_the_frame_for_its_crop_lies_elsewhere() -> None:
    _, face, rival = two_people()
    for formats, is_cut_out in ((("9:16",), False), (("9:16", "16:9"), False), (("16:9", "9:16"), True)):
        wanted = plan(face, "cutout", formats=formats)
        make = poster_picture(Settings(), wanted, Poster(0, 2_000), others(rival), MEDIA)
        assert (make is not None) == is_cut_out, formats


def test_the_fans_own_second_track_is_nobody_else() -> None:
    picture, face, rival = two_people()
    x0, y0, x1, y1 = face
    nearly = (x0 + 12, y0 - 9, x1 + 12, y1 - 9)
    lower = (x0, y0 + (y1 - y0) * 2 // 3, x1, y1 + (y1 - y0) * 2 // 3)

    def poster(*more: AppearanceDocument, matched: bool = False) -> Bgr:
        matches = [match(one, fan="ana").model_copy(update={"event_id": "cup"}) for one in more if matched]
        known = {one.id: one for one in (seen("other", rival), *more)}
        material = Material(tuple(matches), known, {})
        make = poster_picture(Settings(), plan(face, "cutout"), Poster(0, 2_000), material, MEDIA)
        assert make is not None
        return make(in_film(picture))

    alone = poster()
    assert np.array_equal(poster(seen("again", nearly)), alone), "the same face, tracked twice"
    assert np.array_equal(poster(seen("again", lower), matched=True), alone), "and so it was recognised twice"
    assert not np.array_equal(poster(seen("again", lower)), alone), "whom nobody recognised is left away"
    assert np.array_equal(poster(seen("placeless")), alone)


def test_without_a_face_at_that_moment_the_frame_stays() -> None:
    _, face, rival = two_people()
    assert poster_picture(Settings(), plan(face, "cutout"), Poster(0, 3_500), others(rival), MEDIA) is None


def test_without_the_network_the_frame_stays(tmp_path: Path) -> None:
    _, face, rival = two_people()
    settings = Settings(model_dir=tmp_path)
    assert poster_picture(settings, plan(face, "cutout"), Poster(0, 2_000), others(rival), MEDIA) is None


def test_a_cut_that_loses_the_face_is_not_used() -> None:
    _, face, rival = two_people()
    make = poster_picture(Settings(), plan(face, "cutout"), Poster(0, 2_000), others(rival), MEDIA)
    assert make is not None
    empty = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    assert np.array_equal(make(empty), empty)


def test_who_is_cut_by_the_pictures_edge_is_not_cut_out() -> None:
    settings = Settings()
    fan, _ = people(settings.node_modules)
    picture, _, face = compose(fan, backgrounds(settings.node_modules)["pitch"], 620, 0.08)
    box = (max(0, face[0]), face[1], face[2], face[3])
    make = poster_picture(settings, plan(box, "cutout"), Poster(0, 2_000), Material((), {}, {}), MEDIA)
    assert make is not None
    film = in_film(picture)
    assert np.array_equal(make(film), film)
