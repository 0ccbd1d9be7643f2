"""Profiles: what differs between sports, events and broadcasters, and what a wrong one is told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from fanreel.domain.profiles import MAX_MONTAGE_SECONDS, MontageProfile, PictureProfile, Profile
from fanreel.errors import InputRejected
from fanreel.profiles import beside_profile, load_profile, profile_names, profile_or_default
from fanreel.settings import Settings

pytestmark = pytest.mark.unit


def test_the_default_profile_writes_down_every_default() -> None:
    written = load_profile("default")
    assert written.picture == PictureProfile()
    assert written.montage == MontageProfile()


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_that_ships_can_be_planned_and_rendered_by(name: str) -> None:
    profile = load_profile(name)
    style = profile.montage_style(720, min_ms=15_000, max_ms=45_000)
    assert profile.name == name
    assert style.min_ms <= style.max_ms
    assert profile.render_style().intro_ms == 0


def test_an_unknown_profile_is_told_which_there_are() -> None:
    with pytest.raises(InputRejected, match=r"basketball, cricket, default, football") as rejected:
        load_profile("handball")
    assert rejected.value.code == "unknown_profile"


@pytest.mark.parametrize("name", ["", "../default", "Default", "default.toml", "a" * 64, "/etc/passwd"])
def test_a_profile_name_is_never_a_path(name: str) -> None:
    with pytest.raises(InputRejected) as rejected:
        load_profile(name)
    assert rejected.value.code == "unknown_profile"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('description = "x"\n[montage]\nordr = "build_up"', "montage.ordr"),
        ('description = "x"\n[montage]\norder = "random"', "montage.order"),
        ('description = "x"\n[montage]\nbrand_colour = "red; drawbox"', "montage.brand_colour"),
        ('description = "x"\n[[picture.graphics]]\nname = "bug"\nbox = [0.5, 0, 0.1, 1]', "picture.graphics.0"),
        ('description = "x"\n[montage]\nmax_seconds = 181', "montage.max_seconds"),
        (f'description = "x"\n[montage]\nend_text = "{"a" * 81}"', "montage.end_text"),
        ("description = ", "Invalid value"),
        ("[montage]", "description"),
    ],
)
def test_a_mistake_in_a_profile_names_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(InputRejected, match=told) as rejected:
        load_profile("own", tmp_path)
    assert rejected.value.code == "bad_profile"


def test_an_operators_profile_goes_before_ours_and_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    own = tmp_path / "football.toml"
    own.write_text('description = "ours"')
    assert load_profile("football", tmp_path).description == "ours"
    own.write_text('description = "changed since"')
    assert load_profile("football", tmp_path).description == "changed since"
    assert load_profile("football").description != "changed since"


def test_work_goes_on_with_the_default_when_a_profile_has_gone() -> None:
    assert profile_or_default("handball") == load_profile("default")


def test_a_file_that_a_profile_names_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('description = "x"')
    (tmp_path / "bed.mp3").write_bytes(b"music")
    assert beside_profile("own", "bed.mp3", tmp_path).read_bytes() == b"music"
    for file in ("none.mp3", "../own.toml", ""):
        with pytest.raises(InputRejected):
            beside_profile("own", file, tmp_path)


def test_lengths_are_the_settings_unless_the_profile_names_them() -> None:
    plain = Profile(name="p", description="p")
    short = Profile(name="p", description="p", montage=MontageProfile(max_seconds=20))
    assert plain.montage_style(720, min_ms=10_000, max_ms=40_000).max_ms == 40_000
    assert short.montage_style(720, min_ms=30_000, max_ms=40_000).min_ms == 20_000


def test_settings_and_profiles_allow_equally_long_montages() -> None:
    most_ms = MAX_MONTAGE_SECONDS * 1000
    assert Settings(montage_max_ms=most_ms).montage_max_ms == most_ms
    with pytest.raises(ValidationError, match="less than or equal to 180000"):
        Settings(montage_max_ms=most_ms + 1)


def test_there_is_a_title_card_only_for_an_event_with_a_title() -> None:
    profile = Profile(name="p", description="p", montage=MontageProfile(end_text="See you"))
    with_title = profile.render_style("Cup final", "1 May")
    assert (with_title.title, with_title.subtitle, with_title.intro_ms) == ("Cup final", "1 May", 2000)
    assert profile.render_style().intro_ms == 0
    assert profile.render_style().outro_ms == 1500
