"""What a player would notice about a montage file, read with PyAV."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import av


@dataclass(frozen=True, slots=True)
class MontageFile:
    """Measured on the file, not taken from anybody's word."""

    video_codec: str
    audio_codec: str
    duration_ms: float
    av_offset_ms: float
    moov_before_mdat: bool
    frames: int
    max_frame_gap_ms: float


def measure(path: Path) -> MontageFile:
    """Decode the whole file."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.time_base is not None
        times = [float(frame.pts * video.time_base) for frame in container.decode(video) if frame.pts is not None]
        container.seek(0)
        first_sound = next(iter(container.decode(audio)))
        assert first_sound.pts is not None
        assert first_sound.time_base is not None
        sound_start = float(first_sound.pts * first_sound.time_base)
        step = 1 / float(video.average_rate or 25)
        return MontageFile(
            video_codec=video.codec_context.name,
            audio_codec=audio.codec_context.name,
            duration_ms=(times[-1] + step - times[0]) * 1000,
            av_offset_ms=abs(times[0] - sound_start) * 1000,
            moov_before_mdat=_moov_first(path),
            frames=len(times),
            max_frame_gap_ms=max((b - a for a, b in itertools.pairwise(times)), default=0) * 1000,
        )


def _moov_first(path: Path) -> bool:
    data = path.read_bytes()
    position, order = 0, list[bytes]()
    while position + 8 <= len(data):
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        order.append(kind)
        if size == 0:
            break
        position += size
    return order.index(b"moov") < order.index(b"mdat")
