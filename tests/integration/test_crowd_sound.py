"""What is heard in real recordings: a crowd under a voice, and labelled seconds of files nothing was fitted on."""

from pathlib import Path

import pytest

from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.sound import hear
from fanreel.adapters.media.source import FileSource
from fanreel.commands.eval_sound import LABELS, judge, read_labels, scores
from fanreel.contracts import CrowdSound
from fanreel.domain.crowd_sound import describe_sound, sound_events
from fanreel.domain.timeline import join_loudness

from .made_media import H264, ffmpeg

pytestmark = pytest.mark.integration

UNHEARD = (
    "audio/football_crowd2.mp3",
    "audio/football_goal.ogg",
    "video/sports/laliga_wide_720p.mp4",
    "video/people/friends.mp4",
    "video/people/chaplin_bw.mp4",
    "video/people/acted_expressions_one_woman.mp4",
)
VOICE_S, ROAR_FROM_S, ROAR_TO_S = 11, 4, 9


def described(film: Path, *edges_ms: int) -> CrowdSound:
    """Hear a film in segments that begin at 0 and the edges."""
    source = FileSource(film)
    media = probe(source)
    starts = (0, *edges_ms)
    ends = (*edges_ms, media.duration_ms)
    heard = [
        hear(source, media, start, end).result("v", f"{row:05d}")
        for row, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    return describe_sound(media.duration_ms, heard, join_loudness(media.duration_ms, heard))


@pytest.fixture(scope="module")
def roar_under_a_voice(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A man speaks for eleven seconds; from the fifth on a crowd roars for five, as loud as he is."""
    film = tmp_path_factory.mktemp("roar") / "film.mp4"
    audio = shared_media / "audio"
    length = ROAR_TO_S - ROAR_FROM_S
    graph = (
        f"[1:a]aresample=48000,aformat=channel_layouts=mono[voice];"
        f"[2:a]atrim=1:{1 + length},asetpts=PTS-STARTPTS,aresample=48000,aformat=channel_layouts=mono,"
        f"adelay={ROAR_FROM_S * 1000}[roar];[voice][roar]amix=2:normalize=0:duration=first,volume=0.5[sound]"
    )
    picture = ("-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={VOICE_S}")
    inputs = ("-i", audio / "fw_jfk.flac", "-i", audio / "football_crowd2.mp3", "-filter_complex", graph)
    ffmpeg(*picture, *inputs, "-map", "0:v", "-map", "[sound]", *H264, "-c:a", "aac", film)
    return film


def test_a_crowd_is_heard_under_a_voice_and_the_voice_over_the_crowd(roar_under_a_voice: Path) -> None:
    sound = described(roar_under_a_voice)
    under = range(ROAR_FROM_S + 1, ROAR_TO_S - 1)
    before = range(ROAR_FROM_S - 1)
    assert min(sound.cheer[second] for second in under) > 0.5 > max(sound.cheer[second] for second in before)
    assert max(sound.crowd[second] for second in under) > 2 * max(sound.crowd[second] for second in before)
    assert sum(value > 0.5 for value in sound.speech) >= 8
    (cheer,) = [event for event in sound_events(sound) if event.kind == "cheer"]
    assert len(cheer.instances) == 1
    assert abs(cheer.instances[0].start_ms - ROAR_FROM_S * 1000) <= 1000
    assert cheer.instances[0].end_ms >= ROAR_TO_S * 1000 - 1000


def test_the_crowd_is_the_same_however_segments_are_cut(roar_under_a_voice: Path) -> None:
    whole, parts = described(roar_under_a_voice), described(roar_under_a_voice, 3300, 6000)
    for column in CrowdSound.model_fields:
        assert getattr(parts, column) == pytest.approx(getattr(whole, column), abs=0.1)


def test_labelled_seconds_of_files_nothing_was_fitted_on_are_told_apart(shared_media: Path) -> None:
    labels = read_labels(LABELS)
    judged = [judge(shared_media / file, file, labels[file]) for file in UNHEARD]
    assert not any(each.fitted for each in judged)
    auc = {score.kind: score.auc for score in scores(judged)}
    for kind in ("cheer", "speech", "music"):
        assert (auc[kind] or 0) > 0.9
    assert (auc["whistle"] or 0) > 0.75
