"""The look at a rendered montage before anyone else does: what is not as planned does not get out."""

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.render_check import check_montage
from fanreel.adapters.media.source import FileSource
from fanreel.domain.montage import place_clips
from fanreel.errors import InputRejected

from .montage_sources import H264, make, picture, plan_of, sound

pytestmark = pytest.mark.integration

PLAN = plan_of(("v", 613, 2_513), ("v", 4_207, 6_411))
TIMELINE = place_clips(PLAN, Fraction(25))
SIZE = (320, 180)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    path = make(folder / "plain.mp4", *picture(), *sound(), *H264)
    return render_montage(PLAN, {"v": RenderSource(str(path), probe(FileSource(path)))}, folder).files["mp4"]


def test_what_was_rendered_passes(film: Path) -> None:
    assert abs(check_montage(film, TIMELINE, SIZE)) < 40


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (("-bsf:a", "setts=ts='TS+if(gte(N,40),2400,0)'"), "audio frame 40 is 50.0 ms from its place"),
        (("-bsf:v", "setts=pts='PTS+if(between(N,60,70),128,0)'"), r"video frame \d+ is 10.0 ms"),
        (("-an",), "1 streams"),
        (("-t", "2"), "frames, planned"),
    ],
)
def test_a_film_with_a_hole_is_not_published(
    film: Path, tmp_path: Path, spoilt: tuple[str, ...], why: str
) -> None:
    path = make(tmp_path / "spoilt.mp4", "-i", str(film), "-c", "copy", *spoilt, "-movflags", "+faststart")
    with pytest.raises(InputRejected, match=why) as refused:
        check_montage(path, TIMELINE, SIZE)
    assert refused.value.code == "render_failed"


def test_another_size_or_a_file_that_cannot_be_read_is_refused(film: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="picture is 320×180"):
        check_montage(film, TIMELINE, (180, 320))
    broken = tmp_path / "broken.mp4"
    shutil.copyfile(film, broken)
    with broken.open("r+b") as file:
        file.seek(40)
        file.write(b"\xff" * 400)
    with pytest.raises(InputRejected, match="render_failed"):
        check_montage(broken, TIMELINE, SIZE)
