from pathlib import Path

import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.sound import Heard, hear
from fanreel.adapters.media.source import FileSource
from fanreel.contracts.media import MediaInfo
from fanreel.contracts.vision import SoundResult
from fanreel.domain.sound_kinds import KINDS

from .made_media import H264, ffmpeg

pytestmark = pytest.mark.integration

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=8")
STEPS = "if(lt(t,2),0.1,if(lt(t,4),0.01,if(lt(t,5),0,0.5)))*sin(2*PI*1000*t)"
STEPS_DB = (-23.0, -23.0, -43.0, -43.0, None, -9.0, -9.0, -9.0)
"""RMS of the sine: 20·log10(amplitude / √2)."""


def made(path: Path, *sound: str, picture: tuple[str, ...] = PICTURE) -> tuple[FileSource, MediaInfo]:
    ffmpeg(*picture, *sound, *H264, path)
    source = FileSource(path)
    return source, probe(source)


def tone(expression: str, rate: int = 48_000, layout: str = "mono") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"aevalsrc=exprs='{expression}':s={rate}:d=8:c={layout}")


def assert_steps(levels: tuple[float, ...]) -> None:
    assert len(levels) == len(STEPS_DB)
    for level, wanted in zip(levels, STEPS_DB, strict=True):
        if wanted is None:
            assert level < -70
        else:
            assert level == pytest.approx(wanted, abs=0.5)


@pytest.mark.parametrize(
    ("name", "rate", "layout", "codec"),
    [
        ("mono.mp4", 48_000, "mono", "aac"),
        ("odd_rate.mp4", 22_050, "mono", "aac"),
        ("stereo.mkv", 44_100, "stereo", "flac"),
        ("surround.mkv", 48_000, "5.1", "ac3"),
        ("transport.ts", 48_000, "stereo", "mp2"),
    ],
)
def test_planted_levels_are_read_in_their_seconds(tmp_path, name, rate, layout, codec):
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    source, media = made(tmp_path / name, *tone("|".join([STEPS] * channels), rate, layout), "-c:a", codec)
    heard = hear(source, media, 0, media.duration_ms)
    assert heard.second_ms == tuple(range(0, 8000, 1000))
    assert heard.reason is None
    assert_steps(heard.loudness_db)


def test_segments_join_to_one_measurement(tmp_path):
    source, media = made(tmp_path / "steps.mp4", *tone(STEPS), "-c:a", "aac")
    whole = hear(source, media, 0, 8000)
    parts = [hear(source, media, start, end) for start, end in ((0, 3300), (3300, 6000), (6000, 8000))]
    assert sum((part.second_ms for part in parts), ()) == whole.second_ms
    assert sum((part.loudness_db for part in parts), ()) == pytest.approx(whole.loudness_db, abs=0.1)
    for kind in KINDS:
        assert sum((part.kinds[kind] for part in parts), ()) == pytest.approx(whole.kinds[kind], abs=0.05)


def test_low_rumble_counts_less_than_a_voice(tmp_path):
    source, media = made(tmp_path / "low.mp4", *tone("0.1*sin(2*PI*30*t)"), "-c:a", "aac")
    levels = hear(source, media, 1000, 7000).loudness_db
    assert all(level < -29 for level in levels)


def test_sound_that_starts_late_is_silence_until_then(tmp_path):
    late = ("-itsoffset", "3", *tone("0.1*sin(2*PI*1000*t)"), "-c:a", "aac", "-t", "8")
    source, media = made(tmp_path / "late.mp4", *late)
    assert media.audio[0].start_ms == pytest.approx(3000, abs=50)
    heard = hear(source, media, 0, 8000)
    assert heard.loudness_db[:2] == (-120.0, -120.0)
    assert heard.loudness_db[4:] == pytest.approx([-23.0] * 4, abs=0.5)
    assert heard.reason is None
    before = hear(source, media, 0, 2000)
    assert (before.second_ms, before.loudness_db, before.reason) == ((0, 1000), (-120.0, -120.0), None)
    assert set(before.kinds.values()) == {(0.0, 0.0)}


def test_a_gap_stays_a_gap(tmp_path):
    gap = (*tone("0.1*sin(2*PI*1000*t)"), "-af", "aselect='not(between(t,2,4.99))'", "-c:a", "pcm_s16le")
    source, media = made(tmp_path / "gap.mkv", *gap)
    levels = hear(source, media, 0, 8000).loudness_db
    assert all(level < -40 for level in levels[2:4])
    assert [*levels[:2], *levels[5:]] == pytest.approx([-23.0] * 5, abs=0.6)


@pytest.mark.parametrize(
    ("broken", "rate"), [("1/0", 48_000), ("-1/0", 44_100), ("0/0", 48_000), ("1e30", 48_000)]
)
def test_a_sample_that_is_no_number_costs_no_more_than_its_second(tmp_path, broken, rate):
    whole = "0.1*sin(2*PI*1000*t)"
    sound = tone(f"if(eq(n,{rate * 5 // 2}),{broken},{whole})", rate)
    source, media = made(tmp_path / "broken.mkv", *sound, "-c:a", "pcm_f32le")
    heard = hear(source, media, 0, 8000)
    assert [*heard.loudness_db[:2], *heard.loudness_db[3:]] == pytest.approx([-23.0] * 7, abs=0.5)
    assert -24 < heard.loudness_db[2] < -15
    whole_source, whole_media = made(tmp_path / "whole.mkv", *tone(whole, rate), "-c:a", "pcm_f32le")
    kinds = hear(whole_source, whole_media, 0, 8000).kinds
    for kind in KINDS:
        assert heard.kinds[kind][3:] == pytest.approx(kinds[kind][3:], abs=0.01)
    result = heard.result("v", "s")
    assert SoundResult.from_wire(result.model_dump_json(by_alias=True)) == result


def test_no_sound_has_a_reason(tmp_path):
    source, media = made(tmp_path / "silent.mp4")
    assert hear(source, media, 0, 8000) == Heard(reason="no_audio")


def test_sound_that_cannot_be_decoded_has_a_reason(tmp_path):
    path = tmp_path / "broken.mkv"
    source, media = made(path, *tone(STEPS), "-c:a", "flac")
    data = path.read_bytes().replace(b"\xff\xf8", b"\x00\x00")  # the FLAC frame's sync code
    path.write_bytes(data)
    heard = hear(source, media, 0, 8000)
    assert heard.reason == "audio_undecodable"
    assert len(heard.loudness_db) == len(heard.second_ms) == 8
    assert all(level == -120.0 for level in heard.loudness_db)
    assert all(heard.kinds[kind] == (0.0,) * 8 for kind in KINDS)


def test_the_clock_is_the_picture_s(shared_media):
    source = FileSource(shared_media / "video/people/hamilton_white_house.mp4")
    media = probe(source)
    heard = hear(source, media, 0, media.duration_ms)
    assert (len(heard.second_ms), heard.reason) == (10, None)
    assert all(-40 < level < -10 for level in heard.loudness_db)
