"""One segment through every stage."""

from collections.abc import Callable, Iterable

import structlog

from fanreel.adapters.media.source import MediaSource
from fanreel.contracts import MediaInfo, Segment, SegmentResult
from fanreel.domain.profiles import PictureProfile
from fanreel.inference.networks import Networks
from fanreel.settings import Settings

from .base import StageClock
from .decoding import DecodeThread, picture_bytes
from .faces import FaceStage
from .following import FollowStage
from .heap import give_back_free_memory, keep_heap_small
from .looking import LookThreads, Taken
from .picture import ANY_BROADCAST, PictureStage
from .reading import ReadingStage
from .recognition import RecognitionStage

log = structlog.get_logger()

_ALL = 1 << 62

Progress = Callable[[int], None]
"""Called with the pts_ms that has been looked at."""


def analyze_segment(
    source: MediaSource,
    media: MediaInfo,
    segment: Segment,
    networks: Networks,
    settings: Settings,
    *,
    video_id: str,
    attempt: int = 1,
    profile: PictureProfile = ANY_BROADCAST,
    progress: Progress | None = None,
) -> SegmentResult:
    """Return what one segment of a video shows.

    Decoding and shots run in a thread of their own, detection in others, a frame each; following and recognition
    here, faces of many frames sharing a batch. Memory does not grow with the segment: few frames are on their way,
    and only the best faces of live tracks keep their pictures.
    Raises InputRejected or TransientFault for the source, ModelFault for a network.
    """
    keep_heap_small()
    clock = StageClock()
    picture, follow = PictureStage(profile), FollowStage(_look_interval_ms(media, settings), segment)
    recognition = RecognitionStage(networks, clock)
    reading = ReadingStage(networks.reader, profile.graphics, segment)
    looks = LookThreads(
        FaceStage(networks, clock),
        settings.execution_provider,
        settings.inference_threads,
        frame_bytes=picture_bytes(media),
    )

    def recognise(taken: Iterable[Taken]) -> None:
        for look, sampled in taken:
            follow.add(look)
            for step in follow.steps(sampled.cuts_ms, sampled.known_until_ms):
                recognition.take(step)
            if progress is not None:
                progress(look.pts_ms)

    with clock.measure("total"):
        with looks, DecodeThread(source, media, segment, settings.sample_fps, clock) as decoding:
            for sampled in decoding:
                looks.submit(sampled)
                with clock.measure(picture.name):
                    picture.process_frame(sampled.frame)
                with clock.measure(reading.name):
                    reading.process_frame(sampled.frame)
                recognise(looks.ready())
            recognise(looks.rest())
        for step in follow.steps(decoding.shots.cuts_ms(segment.start_ms, segment.decode_end_ms), _ALL):
            recognition.take(step)
        recognition.take(follow.finish())
        tracks = recognition.results()
    give_back_free_memory()
    log.info(
        "segment.analyzed",
        video_id=video_id,
        segment=segment.segment_id,
        attempt=attempt,
        frames=decoding.stats.frames_decoded,
        looks=looks.looks_taken,
        faces=looks.detections,
        embedded=recognition.faces_embedded,
        tracks=len(tracks),
        seconds=round(clock.seconds["total"], 2),
    )
    return SegmentResult(
        video_id=video_id,
        segment_id=segment.segment_id,
        attempt=attempt,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        model_contract=networks.model_contract,
        detector=networks.detector.name,
        frame_width=media.width,
        frame_height=media.height,
        frames_decoded=decoding.stats.frames_decoded,
        frames_sampled=looks.looks_taken,
        frames_corrupt=decoding.stats.frames_corrupt,
        last_pts_ms=decoding.stats.last_pts_ms,
        cuts_ms=decoding.shots.cuts_ms(segment.owned_from_ms, segment.owned_to_ms),
        transitions=decoding.shots.transitions(segment.owned_from_ms, segment.owned_to_ms),
        tracks=tracks,
        picture=picture.measures(),
        texts=reading.texts(),
        seconds={name: round(seconds, 3) for name, seconds in clock.seconds.items()},
    )


def _look_interval_ms(media: MediaInfo, settings: Settings) -> float:
    """Return how far apart looks are: by the setting, or by the frames of a video that has fewer."""
    rate = media.frame_rate
    frame_ms = 1000 * rate.den / rate.num if rate.num > 0 else 0.0
    return max(1000 / settings.sample_fps, frame_ms)
