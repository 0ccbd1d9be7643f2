import time
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from fanreel.adapters.media.frames import DecodeStats, iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.source import FileSource, RangeReader
from fanreel.contracts.media import MediaInfo
from fanreel.errors import InputRejected, TransientFault

from .made_media import B_FRAMES, H264, PICTURE, ffmpeg, make

pytestmark = pytest.mark.integration

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
ODD = sorted(path.name for path in (SHARED / "media/video/odd").glob("*.*"))
REJECTED = {
    "media3_mp4_long_edit_list_audioonly.mp4": "no_video_stream",
    "media3_mp4_sample_malformed_free_box.mp4": "not_a_video",
    "moviepy_with-attached-pic.mp3": "no_video_stream",
}


class Counted:
    """A source of bytes in memory that counts what is read of it, and can break."""

    def __init__(self, data: bytes, fail_after: int | None = None) -> None:
        self.name = "counted"
        self.fetched = 0
        self._data = data
        self._fail_after = fail_after

    def open(self) -> BinaryIO:
        reader = RangeReader(len(self._data), self._fetch, block_bytes=16 * 1024, read_ahead_blocks=4)
        return cast(BinaryIO, reader)

    def _fetch(self, offset: int, length: int) -> bytes:
        self.fetched += length
        if self._fail_after is not None and self.fetched > self._fail_after:
            raise TransientFault("blob_unavailable", "down")
        return self._data[offset : offset + length]


def code_of(path: Path) -> str:
    with pytest.raises(InputRejected) as caught:
        probe(FileSource(path))
    assert path.name in str(caught.value.details.values())
    return caught.value.code


def decode_all(path: Path, media: MediaInfo) -> DecodeStats:
    stats = DecodeStats()
    for frame in iter_frames(FileSource(path), media, 0, media.duration_ms + 1, stats):
        assert frame.small(64).shape[2] == 3
    return stats


@pytest.mark.parametrize("name", ODD or [pytest.param("", marks=pytest.mark.skip("needs ../shared/media"))])
def test_every_odd_file_is_read_or_rejected_soon(shared_media, name):
    path = shared_media / "video/odd" / name
    started = time.monotonic()
    if name in REJECTED:
        assert code_of(path) == REJECTED[name]
    else:
        media = probe(FileSource(path))
        stats = decode_all(path, media)
        assert stats.frames_decoded > 0
        # What was probed is what is there: the last frame ends the video.
        frame_ms = 1000 / float(media.frame_rate.fraction())
        assert stats.last_pts_ms < media.duration_ms <= stats.last_pts_ms + 3 * frame_ms + 2
    assert time.monotonic() - started < 60


def test_nothing_text_and_sound_are_rejected_by_name(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("This is not a video.\n" * 200)
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 64)
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", tmp_path / "sound.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", tmp_path / "sound.wav")
    assert code_of(tmp_path / "empty.mp4") == "empty_file"
    assert code_of(tmp_path / "text.mp4") == "not_a_video"
    assert code_of(tmp_path / "noise.mp4") == "not_a_video"
    assert code_of(tmp_path / "sound.mp4") == "no_video_stream"
    assert code_of(tmp_path / "sound.wav") == "no_video_stream"


def test_a_song_with_cover_art_is_no_video(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=duration=0.04", "-frames:v", "1", tmp_path / "cover.png")
    song = ("-f", "lavfi", "-i", "sine=duration=2", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1")
    ffmpeg(*song, "-c:v", "mjpeg", "-disposition:v", "attached_pic", tmp_path / "song.mp3")
    assert code_of(tmp_path / "song.mp3") == "no_video_stream"


def test_a_playlist_cannot_make_us_open_other_files(tmp_path):
    secret = make("transport.ts", tmp_path)
    playlist = tmp_path / "list.mp4"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile://{secret}\n#EXT-X-ENDLIST\n", encoding="ascii"
    )
    assert code_of(playlist) == "not_a_video"
    script = tmp_path / "concat.mp4"
    script.write_text(f"ffconcat version 1.0\nfile {secret}\n", encoding="ascii")
    assert code_of(script) == "not_a_video"


def test_a_cut_off_upload_says_what_is_wrong(tmp_path):
    whole = make("b_frames.mp4", tmp_path)
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert code_of(part) == "index_missing"


def damaged(path: Path, first: float, last: float) -> Path:
    """Copy an MP4, zeroing this part (0..1) of the coded pictures."""
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    length = int.from_bytes(data[at - 8 : at - 4], "big") - 8
    begin, end = at + int(length * first), at + int(length * last)
    data[begin:end] = bytes(end - begin)
    copy = path.with_name("damaged.mp4")
    copy.write_bytes(bytes(data))
    return copy


def test_pictures_that_are_all_zeros_are_rejected(tmp_path):
    assert code_of(damaged(make("b_frames.mp4", tmp_path), 0.0, 1.0)) == "no_decodable_frame"


def test_a_hole_in_the_middle_is_counted_and_passed(tmp_path):
    path = damaged(make("b_frames.mp4", tmp_path), 0.4, 0.5)
    stats = decode_all(path, probe(FileSource(path)))
    assert stats.frames_corrupt > 0
    assert 75 < stats.frames_decoded < 150
    assert stats.last_pts_ms == 5960


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_truncated_file_with_its_index_in_front_gives_what_is_there(tmp_path, share):
    whole = tmp_path / "whole.mp4"
    ffmpeg(*PICTURE, *B_FRAMES, "-movflags", "+faststart", whole)
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    media, complete = probe(FileSource(part)), probe(FileSource(whole))
    assert media.truncated
    assert not complete.truncated
    assert 0 < media.duration_ms < complete.duration_ms == 6000
    stats = decode_all(part, media)
    assert 0 < stats.frames_decoded <= media.duration_ms // 40 + 1
    assert media.duration_ms - stats.last_pts_ms <= 200
    assert all(time_ms < media.duration_ms for time_ms in media.keyframes_ms)


def test_a_truncated_matroska_file_is_told_by_its_end(tmp_path):
    whole = make("cues.mkv", tmp_path)
    part = tmp_path / "part.mkv"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    media = probe(FileSource(part))
    assert media.truncated
    assert 1000 < media.duration_ms < 5000
    assert not probe(FileSource(whole)).truncated


@pytest.mark.parametrize(("first_s", "second_s"), [(6, 6), (6, 2), (2, 6)])
def test_two_recordings_whose_clocks_both_start_at_zero_are_rejected(tmp_path, first_s, second_s):
    """A time means two pictures then, and decoding and rendering may each find the other one."""
    path = joined_recordings(tmp_path, first_s, second_s)
    assert code_of(path) == "clock_restarts"


@pytest.mark.parametrize("name", ["transport.ts", "open_gop.ts"])
def test_one_recording_has_one_clock(tmp_path, name):
    assert probe(FileSource(make(name, tmp_path))).duration_ms == 6000


def test_frames_after_a_clock_that_starts_again_are_not_taken_for_later_ones(tmp_path):
    media = probe(FileSource(make("transport.ts", tmp_path)))
    path = joined_recordings(tmp_path, 2, 6)
    stats = DecodeStats()
    times = [frame.pts_ms for frame in iter_frames(FileSource(path), media, 0, media.duration_ms + 1, stats)]
    assert times == list(range(0, 2000, 40))
    assert stats.last_pts_ms == 1960


def joined_recordings(folder: Path, *lengths_s: int) -> Path:
    path = folder / "joined.ts"
    with path.open("wb") as whole:
        for length in lengths_s:
            part = folder / f"{length}.ts"
            ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={length}", *B_FRAMES, part)
            whole.write(part.read_bytes())
    return path


def test_a_recording_without_a_declared_length_is_measured(tmp_path):
    media = probe(FileSource(make("no_cues.mkv", tmp_path)))
    assert media.duration_ms == 6000
    assert media.keyframes_ms == ()


@pytest.mark.parametrize("flags", ["0", "+faststart"])
def test_probing_a_long_file_reads_little_of_it(tmp_path, flags):
    path = tmp_path / "long.mp4"
    noise = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60,noise=alls=20:allf=t")
    ffmpeg(*noise, *H264, "-g", "25", "-b:v", "4M", "-movflags", flags, path)
    data = path.read_bytes()
    source = Counted(data)
    media = probe(source)
    assert media.duration_ms == 60_000
    assert len(media.keyframes_ms) == 60
    assert len(data) > 10_000_000
    assert source.fetched < len(data) * 0.15


def test_reading_a_segment_costs_about_its_own_bytes(tmp_path):
    path = tmp_path / "long.mp4"
    noise = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60,noise=alls=20:allf=t")
    ffmpeg(*noise, *H264, "-g", "25", "-b:v", "4M", "-movflags", "+faststart", path)
    data = path.read_bytes()
    media = probe(FileSource(path))
    source = Counted(data)
    assert sum(1 for _ in iter_frames(source, media, 20_000, 40_000)) == 500
    assert source.fetched < len(data) / 3 * 1.2


def test_a_fault_of_the_storage_is_not_taken_for_a_broken_video(tmp_path):
    data = make("b_frames.mp4", tmp_path).read_bytes()
    media = probe(FileSource(make("b_frames.mp4", tmp_path)))
    with pytest.raises(TransientFault):
        probe(Counted(data, fail_after=0))
    with pytest.raises(TransientFault):
        list(iter_frames(Counted(data, fail_after=len(data) // 2), media, 0, 6_000))


def test_the_clock_starts_at_the_first_frame_shown(shared_media):
    laliga = probe(FileSource(shared_media / "video/sports/laliga_wide_720p.mp4"))
    assert (laliga.origin_pts, laliga.duration_ms) == (0, 21_021)
    assert laliga.keyframes_ms[0] == 1001
    late = probe(FileSource(shared_media / "video/shots/delayed_start.mp4"))
    assert (late.origin_pts, late.duration_ms, late.container_start_ms) == (13_760, 960, 0)
    sound_first = probe(FileSource(shared_media / "video/people/hamilton_white_house.mp4"))
    assert (sound_first.container_start_ms, sound_first.audio[0].start_ms) == (-844, -845)
    transport = probe(FileSource(shared_media / "video/odd/media3_ts_sample_h264_iframes_only.ts"))
    assert (transport.origin_pts, transport.duration_ms) == (126_000, 1000)


def test_displayed_size_has_rotation_and_sample_aspect_in_it(shared_media):
    turned = probe(FileSource(shared_media / "video/shots/issue-134-rotate.mp4"))
    assert (turned.width, turned.height, turned.rotation) == (544, 1280, 90)
    assert (turned.coded_width, turned.coded_height) == (1280, 544)
    squeezed = probe(FileSource(shared_media / "video/odd/autoeditor_SAR-2by3.mp4"))
    assert (squeezed.width, squeezed.height) == (427, 360)
