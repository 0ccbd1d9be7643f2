"""Montages really rendered: what was planted in the source is found in the output, where and when it belongs."""

import re
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import numpy as np
import opentimelineio as otio
import pytest
from structlog.testing import capture_logs

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, _film_job, render_montage
from fanreel.adapters.media.render_check import check_montage
from fanreel.adapters.media.render_graph import film_command, sound_command
from fanreel.adapters.media.render_loudness import compiled
from fanreel.adapters.media.render_run import run_ffmpeg
from fanreel.adapters.media.source import FileSource
from fanreel.domain.montage import Poster, output_rate, place_clips
from fanreel.errors import InputRejected, TransientFault

from .montage_sources import (
    H264,
    PCM,
    beeps_s,
    expected_marks_s,
    flashes_s,
    make,
    picture,
    plan_of,
    planned_marks_s,
    sound,
    sound_of,
)

pytestmark = pytest.mark.integration

SPANS = (("v", 613, 2_513), ("v", 4_207, 6_411), ("v", 8_450, 10_030))
"""Borders beside the frame grid, one flash in each, none in a crossfade."""


def source(path: Path) -> RenderSource:
    return RenderSource(str(path), probe(FileSource(path)))


def render(path: Path, work: Path, plan=None, **more):
    plan = plan or plan_of(*SPANS)
    return plan, render_montage(plan, {"v": source(path)}, work, **more)


def check(plan, rendered, *, rate=Fraction(25)):
    """Length as planned, every flash within a frame of its place, every beep within 40 ms of its flash."""
    with av.open(str(rendered.files["mp4"])) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.average_rate == rate
        assert abs(video.frames - plan.duration_ms * rate / 1000) <= 1
        assert video.duration
        assert video.time_base
        assert audio.duration
        assert audio.time_base
        assert abs(video.duration * video.time_base * 1000 - plan.duration_ms) <= 1000 / rate
        assert abs(audio.duration * audio.time_base * 1000 - plan.duration_ms) <= 1000 / rate + 22
        assert (audio.codec_context.sample_rate, audio.codec_context.layout.name) == (48_000, "stereo")
        assert video.codec_context.pix_fmt == "yuv420p"
    assert abs(rendered.av_offset_ms) < 40
    seen = flashes_s(rendered.files["mp4"])
    assert seen == pytest.approx(planned_marks_s(plan), abs=1.05 / float(rate))
    # A source off the output's grid shows each picture up to half a frame early or late.
    assert seen == pytest.approx(expected_marks_s(plan, rate), abs=0.55 / float(rate))
    return seen


def check_sync(plan, rendered, *, rate=Fraction(25)):
    seen = check(plan, rendered, rate=rate)
    heard = beeps_s(rendered.files["mp4"])
    assert len(heard) == len(seen)
    assert heard == pytest.approx(seen, abs=0.040)
    # Sound knows no grid: it must lie where it was planted to a few milliseconds.
    assert heard == pytest.approx(expected_marks_s(plan, rate), abs=0.005)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    return make(path, *picture(), *sound(), *H264)


def test_plain_source_comes_out_in_sync_and_as_long_as_planned(plain, tmp_path):
    told: list[float] = []
    plan, rendered = render(plain, tmp_path, progress=told.append)
    check_sync(plan, rendered)
    assert rendered.duration_ms == plan.duration_ms // 40 * 40
    assert sorted(told) == told
    assert told[-1] == 1.0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"m-test.{kind}" for kind in ("mp4", "jpg", "webp", "vtt", "srt", "edl", "otio")
    ), "temporary files were left"


def test_mono_at_22_khz(tmp_path):
    path = make(tmp_path / "mono.mkv", *picture(), *sound(sample_rate=22_050), *H264, "-c:a", "libmp3lame")
    check_sync(*render(path, tmp_path / "out"))


def test_source_without_sound_gets_silence(tmp_path):
    plan, rendered = render(make(tmp_path / "mute.mp4", *picture(), *H264), tmp_path / "out")
    check(plan, rendered)
    samples = sound_of(rendered.files["mp4"])
    assert float(np.abs(samples).max()) < 1e-4


def test_transport_stream_that_starts_at_ten_hours(tmp_path):
    path = make(tmp_path / "late.ts", *picture(), *sound(), *H264, "-bf", "2", "-output_ts_offset", "36000")
    check_sync(*render(path, tmp_path / "out"))


def test_sound_that_starts_after_the_picture(tmp_path):
    path = make(tmp_path / "late.mkv", *picture(), "-itsoffset", "0.9", *sound(shift_s=0.9), *H264, *PCM)
    assert source(path).media.audio[0].start_ms == pytest.approx(900, abs=30)
    plan = plan_of(("v", 200, 2_513), *SPANS[1:])
    check_sync(*render(path, tmp_path / "out", plan))


def test_sound_that_starts_before_the_picture(tmp_path):
    path = make(tmp_path / "early.mkv", "-itsoffset", "0.8", *picture(), *sound(shift_s=-0.8), *H264, *PCM)
    media = source(path).media
    assert media.container_start_ms == pytest.approx(-800, abs=5)
    check_sync(*render(path, tmp_path / "out"))


def test_variable_frame_rate(tmp_path):
    # Every third of the frames is missing in one half of each second, most of them in the other.
    thin = ",select='if(lt(mod(t,1),0.5),not(eq(mod(n,3),2)),not(mod(n,4)))+between(mod(t,2),0.99,1.2)'"
    path = make(tmp_path / "vfr.mkv", *picture(rate="30", more=thin), *sound(), *H264, "-fps_mode", "vfr")
    media = source(path).media
    rate = output_rate([media.frame_rate.fraction()])
    check_sync(*render(path, tmp_path / "out"), rate=rate)


@pytest.mark.parametrize(("rate", "wanted"), [("30000/1001", Fraction(30000, 1001)), ("50", Fraction(25))])
def test_broadcast_rates(tmp_path, rate, wanted):
    path = make(tmp_path / "rate.mp4", *picture(rate=rate), *sound(), *H264)
    check_sync(*render(path, tmp_path / "out"), rate=wanted)


def test_hard_cuts_and_a_single_clip(plain, tmp_path):
    check_sync(*render(plain, tmp_path, plan_of(*SPANS, crossfade_ms=0, name="m-hard")))
    check_sync(*render(plain, tmp_path, plan_of(SPANS[0], name="m-single")))


def test_clips_at_both_ends_of_the_source(plain, tmp_path):
    check_sync(*render(plain, tmp_path, plan_of(("v", 0, 2_000), ("v", 10_500, 12_000))))


def test_two_sources_of_different_kind(plain, tmp_path):
    mute = make(tmp_path / "mute.mp4", *picture(size="240x320", rate="30"), *H264)
    plan = plan_of(("v", 613, 2_513), ("w", 4_207, 6_411))
    rendered = render_montage(plan, {"v": source(plain), "w": source(mute)}, tmp_path / "out")
    seen = check(plan, rendered)
    assert beeps_s(rendered.files["mp4"]) == pytest.approx(seen[:1], abs=0.040)


def edges(path: Path) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not black, over the whole film."""
    with av.open(str(path)) as container:
        grey = np.max([frame.to_ndarray(format="gray") for frame in container.decode(video=0)], axis=0)
    rows, columns = np.flatnonzero(grey.max(axis=1) > 60), np.flatnonzero(grey.max(axis=0) > 60)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_rotated_source_stands_upright(plain, tmp_path):
    path = make(tmp_path / "turned.mp4", "-display_rotation", "90", "-i", str(plain), "-c", "copy")
    plan, rendered = render(path, tmp_path / "out", plan_of(SPANS[0]))
    assert (source(path).media.width, source(path).media.height) == (180, 320)
    check_sync(plan, rendered)
    left, top, right, bottom = edges(rendered.files["mp4"])
    assert (left, top, right, bottom) == pytest.approx((109, 0, 211, 180), abs=3)


def test_sample_aspect_is_honoured(tmp_path):
    path = make(tmp_path / "sar.mp4", *picture(more=",setsar=2/3"), *sound(), *H264)
    plan, rendered = render(path, tmp_path / "out", plan_of(SPANS[0]))
    check_sync(plan, rendered)
    left, top, right, bottom = edges(rendered.files["mp4"])
    assert (left, top, right, bottom) == pytest.approx((53, 0, 267, 180), abs=3)


def test_no_frame_of_the_neighbouring_shot_shows(tmp_path):
    """Grey shots between white ones, clips 60 ms inside the grey: not one bright frame may come out."""
    shots = "color=c=gray:s=320x180:r=25:d=12,drawbox=t=fill:c=white:enable='lt(mod(t+0.001,4),2)'"
    path = make(tmp_path / "shots.mp4", "-f", "lavfi", "-i", shots, *H264)
    _, rendered = render(
        path, tmp_path / "out", plan_of(("v", 2_060, 3_940), ("v", 6_060, 7_940), ("v", 10_060, 11_940))
    )
    with av.open(str(rendered.files["mp4"])) as container:
        levels = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
    assert len(levels) == 131
    assert max(levels) < 160


@pytest.mark.parametrize(("amplitude", "wanted"), [(0.3, -16), (0.02, -29)])
def test_loudness_is_brought_to_minus_16_lufs_but_silence_not_blown_up(tmp_path, amplitude, wanted):
    noise = ["-f", "lavfi", "-i", f"anoisesrc=a={amplitude}:c=pink:d=12"]
    path = make(tmp_path / "noise.mp4", *picture(), *noise, *H264)
    _, rendered = render(path, tmp_path / "out")
    measure = [ffmpeg_binary(), "-hide_banner", "-nostdin", "-i", str(rendered.files["mp4"])]
    told = subprocess.run(
        [*measure, "-af", "ebur128", "-f", "null", "-"], capture_output=True, text=True, check=True
    )
    loudness = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", told.stderr)[-1])
    assert loudness == pytest.approx(wanted, abs=1)


# --- beside the film -------------------------------------------------------------------------------------


def test_poster_shows_the_asked_moment(plain, tmp_path):
    _, rendered = render(plain, tmp_path, poster=Poster(1, 5_060))
    with av.open(str(rendered.files["jpg"])) as container:
        picture_ = next(container.decode(video=0)).to_ndarray(format="gray")
    assert picture_.shape == (180, 320)
    assert picture_.mean() > 200, "the flash at 5 s is what was asked for"


def test_otio_and_captions_tell_the_same_story(plain, tmp_path):
    plan, rendered = render(plain, tmp_path)
    edit = otio.adapters.read_from_file(str(rendered.files["otio"]))
    assert [track.kind for track in edit.tracks] == ["Video", "Audio"]
    assert edit.duration().to_seconds() * 1000 == pytest.approx(rendered.duration_ms)
    for track in edit.tracks:
        for clip in track.find_clips():
            available = clip.media_reference.available_range
            assert available.contains(clip.source_range)
            assert clip.media_reference.target_url == "v"
    captions = rendered.files["vtt"].read_text()
    assert captions.startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.600\n")
    assert captions.count("-->") == len(plan.clips)
    assert "00:00:04.207 to 00:00:06.411 of the broadcast" in " ".join(captions.split())
    assert plan.fan_id not in captions + rendered.files["otio"].read_text() + rendered.files["edl"].read_text()


# --- what goes wrong -------------------------------------------------------------------------------------


def test_source_that_is_gone_or_broken_is_rejected_and_leaves_nothing(plain, tmp_path):
    media = source(plain).media
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film" * 1000)
    for path in (tmp_path / "gone.mp4", broken):
        with pytest.raises(InputRejected) as caught:
            render_montage(plan_of(*SPANS), {"v": RenderSource(str(path), media)}, tmp_path / "out")
        assert caught.value.code == "source_unreadable"
    with pytest.raises(InputRejected, match="source_unreadable"):
        render_montage(plan_of(*SPANS), {}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_playlist_in_disguise_opens_nothing(plain, tmp_path):
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {plain}\n")
    with pytest.raises(InputRejected, match="source_unreadable"):
        render_montage(plan_of(*SPANS), {"v": RenderSource(str(playlist), source(plain).media)}, tmp_path / "out")


def test_plan_beyond_the_sources_end_is_not_published(plain, tmp_path):
    with pytest.raises(InputRejected, match="render_failed"):
        render(plain, tmp_path / "out", plan_of(("v", 8_000, 20_000)))
    assert list((tmp_path / "out").iterdir()) == []


def test_network_that_refuses_is_tried_again_later_and_no_signature_is_told(plain, tmp_path):
    url = "http://127.0.0.1:9/e/film.mp4?sv=1&sig=SECRETSIGNATURE"
    with pytest.raises(TransientFault) as caught:
        render_montage(plan_of(SPANS[0]), {"v": RenderSource(url, source(plain).media)}, tmp_path / "out")
    assert caught.value.code == "render_failed"
    assert "SECRETSIGNATURE" not in str(caught.value) + str(dict(caught.value.details))


def test_a_process_that_hangs_is_stopped(tmp_path):
    endless = [ffmpeg_binary(), "-nostdin", "-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"]
    with pytest.raises(TransientFault, match="render_timeout"):
        run_ffmpeg(endless, log_file=tmp_path / "log", timeout_s=0.5, length_ms=1_000)


def test_a_graph_may_be_longer_than_any_argument(plain, tmp_path):
    graph = tmp_path / "long.graph"
    long = ffmpeg.input("anullsrc", f="lavfi", t=0.1).filter("ametadata", mode="add", key="k", value="x" * 140_000)
    command = compiled(ffmpeg.output(long, "-", format="null"), ffmpeg_binary(), graph_file=graph)
    run_ffmpeg(command, log_file=tmp_path / "log", timeout_s=60, length_ms=100)
    assert graph.stat().st_size > 131_072 > max(map(len, command))


def test_graphs_that_grow_with_the_clips_are_no_arguments(plain, tmp_path):
    sources = {"v": source(plain)}
    lengths: list[int] = []
    for spans in (SPANS[:1], SPANS):
        plan = plan_of(*spans)
        timeline = place_clips(plan, Fraction(25))
        job = _film_job(plan, timeline, sources, tmp_path)
        film = film_command(job, None, tmp_path, encoder="libx264", binary=ffmpeg_binary())
        joined = sound_command(timeline, sources, tmp_path / "joined.wav", binary=ffmpeg_binary())
        lengths.append(max(map(len, film + joined)))
    assert lengths[0] == lengths[1]


FAILING_GPU = """#!/bin/sh
case "$*" in
    *"-f null -"*) case "$*" in *h264_nvenc*) exit 0 ;; esac ;;
    *h264_nvenc*) echo out_time_us=1000000; echo "OpenEncodeSessionEx failed: out of memory (10)" >&2; exit 187 ;;
esac
exec "{ffmpeg}" "$@"
"""


def test_a_gpu_that_fails_in_the_film_hands_it_to_the_cpu(plain, tmp_path, monkeypatch):
    stand_in = tmp_path / "ffmpeg"
    stand_in.write_text(FAILING_GPU.format(ffmpeg=ffmpeg_binary()))
    stand_in.chmod(0o755)
    monkeypatch.setenv("FANREEL_FFMPEG", str(stand_in))
    plan = plan_of(SPANS[0])
    done: list[float] = []
    with capture_logs() as logs:
        _, rendered = render(plain, tmp_path / "out", plan, progress=done.append)
    check(plan, rendered)
    assert done == sorted(done)
    (told,) = [entry for entry in logs if entry["event"] == "montage.encoder_failed"]
    assert (told["encoder"], told["code"]) == ("h264_nvenc", "render_failed")
    with pytest.raises(TransientFault, match="render_failed"):
        render(plain, tmp_path / "out", plan, encoder="h264_nvenc")


def test_check_refuses_a_film_that_does_not_start_with_its_index(plain, tmp_path):
    plan, rendered = render(plain, tmp_path)
    timeline = place_clips(plan, Fraction(25))
    film = rendered.files["mp4"]
    data = film.read_bytes()
    boxes, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        boxes.append((kind, data[at : at + size]))
        at += size
    assert [kind for kind, _ in boxes].index(b"moov") < [kind for kind, _ in boxes].index(b"mdat")
    assert check_montage(film, timeline, (320, 180)) == rendered.av_offset_ms
    film.write_bytes(b"".join(box for _, box in sorted(boxes, key=lambda box: box[0] == b"moov")))
    with pytest.raises(InputRejected, match="moov lies behind mdat"):
        check_montage(film, timeline, (320, 180))
