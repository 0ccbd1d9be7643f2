"""The sound of montages, measured: level and peaks of the finished film, joins, noise, ducking, slow motion."""

import subprocess
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfiltfilt
from structlog.testing import capture_logs

from fanreel.adapters.media.ffmpeg import ffmpeg_binary
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.render import RenderSource, render_montage
from fanreel.adapters.media.render_graph import sound_command
from fanreel.adapters.media.render_loudness import Loudness, compiled, measure_film_loudness
from fanreel.adapters.media.render_mix import Bed, Mix, cleaned, finished_sound, measure_mix, misses, read_mono
from fanreel.adapters.media.render_run import run_ffmpeg
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import RenderStyle
from fanreel.domain.montage import place_clips
from fanreel.domain.noise import Noise, measure_noise

from .montage_sources import H264, PCM, make, picture, plan_of, sound_of

pytestmark = pytest.mark.integration

RATE = 48_000
SPANS = (("v", 613, 2_513), ("v", 4_207, 6_411), ("v", 8_450, 10_030))
FRAMES = Fraction(25)


def source(path: Path) -> RenderSource:
    return RenderSource(str(path), probe(FileSource(path)))


def tone(path: Path, expression: str, *, seconds: int = 12) -> RenderSource:
    """A film whose sound is a formula of t, without an encoder's losses."""
    return source(
        make(path, *picture(), "-f", "lavfi", "-i", f"aevalsrc='{expression}':s={RATE}:d={seconds}", *H264, *PCM)
    )


def run(command, *, log_file: Path) -> str:
    return run_ffmpeg(command, log_file=log_file, timeout_s=60, length_ms=1_000)


def joined(plan, film: RenderSource, folder: Path) -> np.ndarray:
    """The joined sound as the graph makes it, before it is finished: samples of one channel."""
    wav = folder / "joined.wav"
    timeline = place_clips(plan, FRAMES)
    run(sound_command(timeline, {"v": film}, wav, binary=ffmpeg_binary()), log_file=folder / "joined.log")
    samples = read_mono(wav)
    assert len(samples) == timeline.samples(timeline.frames, RATE), "not exactly as long as the pictures"
    return samples


def written(sound, path: Path) -> np.ndarray:
    command = compiled(ffmpeg.output(sound, f"file:{path}", **{"c:a": "pcm_f32le"}), ffmpeg_binary())
    run(command, log_file=path.with_suffix(".log"))
    return read_mono(path)


def wav_of(samples: np.ndarray, path: Path) -> Path:
    raw = [ffmpeg_binary(), "-loglevel", "error", "-y", "-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    stereo = np.asarray(samples, np.float32).tobytes()
    subprocess.run([*raw, "-ac", "2", "-c:a", "pcm_f32le", str(path)], input=stereo, check=True)
    return path


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12))


def lag_of(reference: np.ndarray, other: np.ndarray) -> int:
    """By how many samples `other` is late."""
    size = 1 << (len(reference) + len(other)).bit_length()
    curve = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(reference, size)), size)
    at = int(np.argmax(curve))
    return at - size if at > size // 2 else at


# --- loudness and peaks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chain",
    [
        "volume=-20dB",
        "volume=30dB,asoftclip=type=hard",
        "volume=volume='if(lt(mod(t,0.5),0.004),12,0.2)':eval=frame",
    ],
    ids=["quiet", "clipped", "claps"],
)
def test_finished_film_is_as_loud_as_wanted_and_its_peaks_are_low(shared_media, tmp_path, chain):
    path = tmp_path / "film.mkv"
    crowd = str(shared_media / "audio" / "football_crowd2.mp3")
    make(path, *picture(), "-stream_loop", "-1", "-i", crowd, "-t", "12", "-af", chain, *H264, *PCM)
    rendered = render_montage(plan_of(*SPANS[:2]), {"v": source(path)}, tmp_path / "out")
    loudness = measure_film_loudness(rendered.files["mp4"])
    assert loudness is not None
    assert loudness == rendered.loudness
    assert loudness.integrated == pytest.approx(-16, abs=1)
    assert loudness.true_peak <= -1.5
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()).count(".wav") == 0


def test_digital_silence_stays_silence(tmp_path):
    film = tone(tmp_path / "silent.mkv", "0")
    rendered = render_montage(plan_of(*SPANS[:1]), {"v": film}, tmp_path / "out")
    assert rendered.loudness is None
    assert float(np.abs(sound_of(rendered.files["mp4"])).max()) < 1e-4


@pytest.mark.parametrize("length_ms", [280, 700])
def test_moments_too_short_to_be_measured_come_through(tmp_path, length_ms):
    film = tone(tmp_path / "short.mkv", "0.2*sin(2*PI*440*t)")
    rendered = render_montage(plan_of(("v", 1_400, 1_400 + length_ms)), {"v": film}, tmp_path / "out")
    samples = sound_of(rendered.files["mp4"])
    assert -23 < level_db(samples[RATE // 20 : RATE // 5]) < -10
    assert float(np.abs(samples).max()) < 10 ** (-1.5 / 20)


@pytest.mark.parametrize(
    ("expression", "is_told"),
    [("0.9*lt(mod(t,1),0.002)*sin(2*PI*3000*t)", True), ("0.1*sin(2*PI*440*t)", False), ("0", False)],
    ids=["clicks that no limiter lets be loud", "tone", "silence"],
)
def test_a_film_that_misses_its_loudness_is_told_and_comes_out(tmp_path, expression, is_told):
    film = tone(tmp_path / "film.mkv", expression)
    with capture_logs() as logs:
        rendered = render_montage(plan_of(*SPANS[:1]), {"v": film}, tmp_path / "out")
    told = [entry for entry in logs if entry["event"] == "montage.loudness_missed"]
    assert bool(told) == is_told
    if is_told:
        assert rendered.loudness is not None
        assert told[0]["lufs"] == rendered.loudness.integrated
        assert abs(told[0]["lufs"] - told[0]["target_lufs"]) > 1


@pytest.mark.parametrize(
    ("heard", "target_lufs", "is_missed"),
    [
        (Loudness(-16.9, -1.6, 0, -26), -16.0, False),
        (Loudness(-17.1, -1.6, 0, -27), -16.0, True),
        (Loudness(-16.0, -1.4, 0, -26), -16.0, True),
        (Loudness(-30.0, -9.0, 0, -40), -30.0, False),  # more than 20 dB were not added
        (Loudness(-60.0, -9.0, 0, -70), None, False),  # below the gate before
    ],
)
def test_what_counts_as_missed(heard, target_lufs, is_missed):
    assert misses(heard, Mix(target_lufs=target_lufs)) == is_missed


# --- noise -----------------------------------------------------------------------------------------------


def test_noise_reduction_moves_no_sample_and_takes_noise_away(shared_media, tmp_path):
    speech = read_mono(shared_media / "audio" / "fw_jfk.flac")[: 8 * RATE]
    hum = sum(np.sin(2 * np.pi * 50 * k * np.arange(len(speech)) / RATE) for k in (1, 2, 3, 4)) * 0.006
    noisy = speech + np.random.default_rng(0).normal(size=len(speech)) * 0.01 + hum
    noise = measure_noise(noisy)
    assert noise is not None
    assert noise.reduction_db > 0
    assert noise.hum_hz
    path = wav_of(noisy, tmp_path / "noisy.wav")
    after = written(cleaned(ffmpeg.input(str(path)), noise), tmp_path / "after.wav")
    assert len(after) == len(noisy)
    assert lag_of(noisy, after) == 0
    assert level_db(after - speech) < level_db(noisy - speech) - 4


@pytest.mark.parametrize(
    "name", ["football_goal2.mp3", "football_crowd2.mp3", "football_goal.ogg", "halftime_crowd.mp3"]
)
def test_cheers_keep_their_level(shared_media, tmp_path, name):
    cheer = read_mono(shared_media / "audio" / name)
    noise = measure_noise(cheer)
    path = wav_of(cheer, tmp_path / "cheer.wav")
    after = written(cleaned(ffmpeg.input(str(path)), noise), tmp_path / "after.wav")
    assert level_db(after) == pytest.approx(level_db(cheer), abs=0.7)


def test_finishing_a_sound_moves_no_sample(tmp_path):
    t = np.arange(3 * RATE) / RATE
    clicks = np.random.default_rng(1).normal(size=len(t)) * (0.01 + 0.3 * (t % 0.7 < 0.05))
    path = wav_of(clicks, tmp_path / "clicks.wav")
    style = RenderStyle()
    mix = measure_mix(path, style, len(t), tmp_path, run=run, binary=ffmpeg_binary(), music=None)
    assert mix is not None
    after = written(finished_sound(ffmpeg.input(str(path)), mix, len(t)), tmp_path / "after.wav")
    assert len(after) == len(t)
    assert lag_of(clicks, after) == 0


def test_a_style_without_noise_reduction_has_none(tmp_path):
    t = np.arange(3 * RATE) / RATE
    words = np.sin(2 * np.pi * 700 * t) * (t % 0.5 < 0.25) * 0.2
    path = wav_of(words + np.random.default_rng(1).normal(size=len(t)) * 0.004, tmp_path / "words.wav")
    found: list[Noise | None] = []
    for denoise in (True, False):
        style = RenderStyle(denoise=denoise)
        mix = measure_mix(path, style, len(t), tmp_path, run=run, binary=ffmpeg_binary(), music=None)
        assert mix is not None
        found.append(mix.noise)
    assert found[0] is not None
    assert found[1] is None


# --- joins -----------------------------------------------------------------------------------------------


def clicks_db(samples: np.ndarray) -> float:
    """How far the loudest millisecond above 6 kHz stands over a pure low tone's own rest."""
    high = sosfilt(butter(8, 6_000, "highpass", fs=RATE, output="sos"), samples)
    return float(10 * np.log10(np.square(high[: len(high) // 48 * 48]).reshape(-1, 48).mean(axis=1).max() + 1e-14))


@pytest.mark.parametrize("crossfade_ms", [0, 200])
def test_no_click_at_joins(tmp_path, crossfade_ms):
    film = tone(tmp_path / "tone.mkv", "0.5*sin(2*PI*333.3*t)")
    plan = plan_of(*SPANS, crossfade_ms=crossfade_ms)
    samples = joined(plan, film, tmp_path)
    assert clicks_db(samples) < -70
    cut_hard = np.concatenate([samples[: 2 * RATE], samples[2 * RATE + 37 :]])
    assert clicks_db(cut_hard) > -40, "the measure would not see a click"


def slow(plan, from_ms: int, to_ms: int, factor: int):
    clip = plan.clips[0].model_copy(update={"slow_from_ms": from_ms, "slow_to_ms": to_ms, "slow_factor": factor})
    more_ms = clip.played_ms - plan.clips[0].played_ms
    return plan.model_copy(update={"clips": (clip, *plan.clips[1:]), "duration_ms": plan.duration_ms + more_ms})


@pytest.mark.parametrize("factor", [2, 3])
def test_slow_motion_keeps_the_pitch_and_the_place(tmp_path, factor):
    """A burst at 3 s of the source, slowed: it must begin where its picture is shown."""
    film = tone(tmp_path / "burst.mkv", "if(between(t,3,3.3),0.5*sin(2*PI*500*t),0)")
    plan = slow(plan_of(("v", 2_000, 4_400), *SPANS[2:]), 2_600, 3_600, factor)
    samples = joined(plan, film, tmp_path)
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    shown_s = 0.6 + 0.4 * factor
    assert loud[0] / RATE == pytest.approx(shown_s, abs=0.012)
    assert (loud[-1] - loud[0]) / RATE == pytest.approx(0.3 * factor, abs=0.03)
    heard = samples[loud[0] : loud[-1]]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * RATE / len(heard) == pytest.approx(500, abs=5)


def test_no_click_where_the_speed_changes(tmp_path):
    film = tone(tmp_path / "tone.mkv", "0.5*sin(2*PI*333.3*t)")
    samples = joined(slow(plan_of(("v", 2_000, 4_400)), 2_600, 3_400, 2), film, tmp_path)
    assert clicks_db(samples) < -70
    steps_db = [level_db(part) for part in np.array_split(samples[RATE // 10 : -RATE // 10], 60)]
    assert min(steps_db) > level_db(np.sin(np.arange(RATE)) * 0.5) - 3, "a gap"


def test_cards_are_silent_and_the_clips_fade_in_and_out(tmp_path):
    film = tone(tmp_path / "tone.mkv", "0.5*sin(2*PI*333.3*t)")
    style = RenderStyle(title="Final", intro_ms=1_000, end_text="fanreel", outro_ms=1_200)
    plan = plan_of(*SPANS[:1]).model_copy(update={"render": style})
    samples = joined(plan, film, tmp_path)
    assert level_db(samples[: int(0.78 * RATE)]) < -100
    assert level_db(samples[int(1.1 * RATE) : int(2.4 * RATE)]) == pytest.approx(-9, abs=0.2)
    assert level_db(samples[-int(0.9 * RATE) :]) < -100
    assert clicks_db(samples) < -70


# --- music -----------------------------------------------------------------------------------------------


def band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    return sosfiltfilt(butter(4, (low_hz, high_hz), "bandpass", fs=RATE, output="sos"), samples)


@pytest.mark.parametrize("duck_db", [6.0, 12.0])
def test_music_gives_way_where_the_broadcast_is_up(tmp_path, duck_db):
    t = np.arange(12 * RATE) / RATE
    own = np.sin(2 * np.pi * 500 * t) * 0.2 * ((t > 3) & (t < 7))
    path = wav_of(own, tmp_path / "own.wav")
    music = wav_of(np.sin(2 * np.pi * 1_000 * t[: 5 * RATE]) * 0.4, tmp_path / "music.wav")
    style = RenderStyle(music_bed="music.wav", duck_db=duck_db)
    mix = measure_mix(path, style, len(t), tmp_path, run=run, binary=ffmpeg_binary(), music=music)
    after = written(finished_sound(ffmpeg.input(str(path)), mix, len(t)), tmp_path / "after.wav")
    bed = band(after, 800, 1_250)
    under, alone = (level_db(bed[int(a * RATE) : int(b * RATE)]) for a, b in ((4, 6), (8.5, 10)))
    assert alone - under == pytest.approx(duck_db, abs=0.5)
    assert level_db(after[4 * RATE : 6 * RATE]) - alone == pytest.approx(-style.music_gain_db, abs=1)
    assert level_db(bed[int(11.9 * RATE) :]) < alone - 15, "it fades out"
    assert level_db(bed[: RATE // 10]) < alone - 15, "it fades in"


def test_music_gives_way_however_often_the_broadcast_is_up(tmp_path):
    t = np.arange(2 * RATE) / RATE
    music = wav_of(np.sin(2 * np.pi * 1_000 * t) * 0.1, tmp_path / "music.wav")
    ducks_s = ((1.0, 1.6), *((2.0 + span, 2.1 + span) for span in range(220)))
    mix = Mix(bed=Bed(music, 0.0, 12.0, ducks_s))
    after = written(finished_sound(None, mix, len(t)), tmp_path / "after.wav")
    alone, under = (level_db(after[int(a * RATE) : int(b * RATE)]) for a, b in ((0.68, 0.72), (1.1, 1.5)))
    assert alone - under == pytest.approx(12, abs=0.5)


def test_music_alone_is_heard_where_no_source_has_sound(tmp_path):
    t = np.arange(2 * RATE) / RATE
    music = wav_of(np.sin(2 * np.pi * 500 * t) * 0.05, tmp_path / "music.wav")
    film = source(make(tmp_path / "mute.mp4", *picture(), *H264))
    style = RenderStyle(music_bed="music.wav")
    plan = plan_of(*SPANS[:2]).model_copy(update={"render": style})
    rendered = render_montage(plan, {"v": film}, tmp_path / "out", music=music)
    assert rendered.loudness is not None
    assert rendered.loudness.integrated == pytest.approx(-16, abs=1)
