"""Highlights of made matches, and of any video by the way. `python -m benchmarks.highlights [--video FILE]`.

Made matches have planted events, so that precision and recall can be told; nothing was fitted on them, nor on
anything else. There is no labelled match: what comes out of a real video (`--video`) can only be looked at.
Everything runs but the networks, so that faces count nothing. Prints Markdown.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.made_match import ROAR_S, Event, make_match, planned_events
from benchmarks.material import quiet_logs
from fanreel.adapters.media.frames import DecodeStats, iter_frames
from fanreel.adapters.media.probe import probe
from fanreel.adapters.media.sound import hear
from fanreel.adapters.media.source import FileSource
from fanreel.contracts import Highlight, MediaInfo, ModelContract, Segment, SegmentPlanDocument, SegmentResult
from fanreel.domain.highlights import Match, MatchFlow, find_highlights, parts
from fanreel.domain.highlights.reasons import clock
from fanreel.domain.media import plan_segments
from fanreel.domain.merging import MergedVideo, merge_segments
from fanreel.domain.replays import Looks, find_replays
from gpu_workers.pipeline.picture import PictureStage
from gpu_workers.pipeline.sampling import Sampler
from gpu_workers.pipeline.shots import ShotStage

SECONDS, EVENTS, SEEDS = 240.0, 4, (11, 12, 13)
CUES = ("crowd", "replay", "cuts", "motion", "fans", "pace")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the product knows of a video. `picture_ms`: CPU per look of the stage that measures pictures."""

    video: MergedVideo
    match: Match
    picture_ms: float


@dataclass(frozen=True, slots=True)
class Made:
    """A made match, and what was planted in it."""

    seen: Seen
    events: list[Event]
    replays: list[tuple[int, int, int, int]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="show what comes out of this video instead")
    video = parser.parse_args().video
    quiet_logs()
    if video is not None:
        _show(look(video).video)
        return
    with tempfile.TemporaryDirectory(prefix="fanreel-highlights-") as folder:
        made = [_made(Path(folder) / f"{seed}.mp4", seed) for seed in SEEDS]
    _table(made)
    _replay_line(made)
    cost = sum(each.seen.picture_ms for each in made) / len(made)
    print(f"\nPicture stage: {cost:.2f} ms of CPU a look (flow, hash and all older measures).")


def look(path: Path) -> Seen:
    """Look at a video as the product does, but without networks."""
    source = FileSource(path)
    media = probe(source)
    segments = plan_segments(media, target_ms=45_000, overlap_ms=1_000)
    plan = SegmentPlanDocument(video_id="v", media=media, segments=segments)
    looked = [_look_at(source, media, segment) for segment in segments]
    results = [result for result, _ in looked]
    sounds = [hear(source, media, s.start_ms, s.end_ms).result("v", s.segment_id) for s in segments]
    video = merge_segments(plan, results, sounds, event_id="e")
    pictures = [result.picture for result in results]
    replays = find_replays(video.shots, Looks.of(pictures))
    match = Match(media.duration_ms, video.shots, replays, MatchFlow.of(pictures), (), video.sound)
    looks = sum(len(each.pts_ms) for each in pictures)
    return Seen(video, match, sum(spent for _, spent in looked) / looks * 1000)


def _look_at(source: FileSource, media: MediaInfo, segment: Segment) -> tuple[SegmentResult, float]:
    """Return what a segment shows, and the CPU seconds its pictures' measures took."""
    shots, picture, sampler = ShotStage(), PictureStage(), Sampler(5.0, from_ms=segment.start_ms)
    stats, spent = DecodeStats(), 0.0
    for frame in iter_frames(source, media, segment.start_ms, segment.decode_end_ms, stats):
        shots.process_frame(frame)
        if sampler.wants(frame.pts_ms):
            started = time.thread_time()
            picture.process_frame(frame)
            spent += time.thread_time() - started
    result = SegmentResult(
        video_id="v",
        segment_id=segment.segment_id,
        attempt=1,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        model_contract=ModelContract(model_id="none", sha256="0" * 64, preprocessing="none"),
        detector="none",
        frame_width=media.width,
        frame_height=media.height,
        frames_decoded=stats.frames_decoded,
        frames_sampled=len(picture.measures().pts_ms),
        frames_corrupt=stats.frames_corrupt,
        last_pts_ms=stats.last_pts_ms,
        cuts_ms=shots.cuts_ms(segment.owned_from_ms, segment.owned_to_ms),
        transitions=shots.transitions(segment.owned_from_ms, segment.owned_to_ms),
        tracks=(),
        picture=picture.measures(),
        seconds={},
    )
    return result, spent


def _made(path: Path, seed: int) -> Made:
    events = planned_events(SECONDS, seed, EVENTS)
    replays = make_match(path, SECONDS, events, seed=seed)
    return Made(look(path), events, replays)


def holds(highlight: Highlight, event: Event) -> bool:
    """Tell whether a clip shows what the event turned on: some of the run, and the moment the roar begins."""
    return highlight.start_ms < (event.at_s + 2) * 1000 and event.peak_s * 1000 < highlight.end_ms


def _table(made: list[Made]) -> None:
    planted = sum(event.is_highlight for each in made for event in each.events)
    print(
        f"{len(made)} made matches of {SECONDS / 60:.0f} minutes, {planted} events and as many distractions; "
        f"clips at most {-(-int(SECONDS) // 30)} a match\n"
    )
    print("| what counts | clips in the top k that show an event | events shown in the top k | of all clips |")
    print("|---|---|---|---|")
    print(_row("everything", made, dict(parts.WEIGHTS)))
    for cue in CUES:
        print(_row(f"{cue} alone", made, {name: w if name == cue else 0.0 for name, w in parts.WEIGHTS.items()}))
    for cue in ("crowd", "replay", "cuts"):
        without = {name: 0.0 if name == cue else weight for name, weight in parts.WEIGHTS.items()}
        print(_row(f"without {cue}", made, without))


def _row(name: str, made: list[Made], weights: dict[str, float]) -> str:
    clips = right = events = shown = ever = 0
    with patch.dict(parts.WEIGHTS, weights):
        for each in made:
            wanted = [event for event in each.events if event.is_highlight]
            everything = find_highlights(each.seen.match).highlights
            best = everything[: len(wanted)]
            clips += len(best)
            right += sum(any(holds(clip, event) for event in wanted) for clip in best)
            events += len(wanted)
            shown += sum(any(holds(clip, event) for clip in best) for event in wanted)
            ever += sum(any(holds(clip, event) for clip in everything) for event in wanted)
    return f"| {name} | {right} of {clips} | {shown} of {events} | {ever} of {events} |"


def _replay_line(made: list[Made]) -> None:
    planted = sum(len(each.replays) for each in made)
    right = sum(
        any(
            abs(each.seen.match.shots[replay.shot].start_ms - start) < 500
            and replay.from_ms < to_ms + 1000
            and from_ms - 1000 < replay.to_ms
            for replay in each.seen.match.replays
        )
        for each in made
        for start, _, from_ms, to_ms in each.replays
    )
    found = sum(len(each.seen.match.replays) for each in made)
    print(f"\nReplays: {planted} planted (half speed, a logo), {right} found, {found - right} others marked.")
    print(f"A roar lasts {ROAR_S:.0f} s and is 3 to 10 dB; of the distractions some are as loud, up to 9 dB.")


def _show(video: MergedVideo) -> None:
    print("| rank | from | to | score | why | unusual |")
    print("|---|---|---|---|---|---|")
    for each in video.highlights:
        span = f"{clock(each.start_ms)} | {clock(each.end_ms)}"
        print(f"| {each.rank} | {span} | {each.score:.2f} | {'; '.join(each.reasons)} | {'yes' * each.unusual} |")
    for shot in video.shots:
        if shot.replay_of is not None:
            of = video.shots[shot.replay_of]
            print(f"\nThe shot at {clock(shot.start_ms)} shows the one at {clock(of.start_ms)} again.")


if __name__ == "__main__":
    main()
