"""How well replays are found: clips shown again as broadcasts do it. `python -m benchmarks.replays [--chosen]`.

Needs the shared test media. With `--chosen` the clips on which the numbers of `fanreel.domain.replays` were
chosen, else the ones that judge them. Prints Markdown.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.material import shared_media
from benchmarks.replay_material import (
    CHOSEN_ON,
    JUDGED_ON,
    LEAST_MS,
    REPEATS,
    Seen,
    joined,
    look,
    repeated,
    scratch,
)
from fanreel.contracts import Shot
from fanreel.domain.replays import CONTRAST_BITS, Replay, find_replays, hamming


def main() -> None:
    """Print how many of the planted replays are found, and what else is marked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chosen", action="store_true", help="the clips on which the numbers were chosen")
    names = CHOSEN_ON if parser.parse_args().chosen else JUDGED_ON
    media = shared_media()
    if media is None:
        raise SystemExit("needs the shared test media beside the checkout")
    paths = [next((media / "video").glob(f"*/{name}.mp4")) for name in names]
    clips = [look(path) for path in paths]
    programme = joined(clips)
    marked = find_replays(programme.shots, programme.looks)
    print(f"{len(names)} clips, {len(programme.shots)} shots and pieces of shots; marked among themselves:")
    for replay in marked:
        again, of = programme.shots[replay.shot], programme.shots[replay.of]
        print(f"- {_place(again, paths, clips)} as {_place(of, paths, clips)} ({_evidence(replay)})")
    print()
    print("| shown again | shots that move | found | of another shot | missed | shots that stand still | marked |")
    print("|---|---|---|---|---|---|---|")
    repeats_itself = {replay.shot for replay in marked} | {replay.of for replay in marked}
    with scratch() as folder:
        for repeat in REPEATS:
            copies = [repeated(path, clip, repeat, Path(folder)) for path, clip in zip(paths, clips, strict=True)]
            print(_row(repeat.name, programme, joined(copies), repeats_itself))
    started = time.process_time()
    many = long_programme(programme)
    found = find_replays(many.shots, many.looks)
    hours = many.shots[-1].end_ms / 3_600_000
    print(
        f"\n{hours:.1f} h of programme, {len(many.shots)} shots, {len(many.looks.times_ms)} looks: "
        f"{time.process_time() - started:.1f} s of CPU, {len(found)} marked"
    )


def long_programme(programme: Seen, hours: float = 3.0) -> Seen:
    """Return the programme again and again: as many alike shots as no match has, the most work there can be."""
    length = programme.shots[-1].end_ms
    return joined([programme] * int(hours * 3_600_000 / length))


def _row(name: str, programme: Seen, again: Seen, repeats_itself: set[int]) -> str:
    count = len(programme.shots)
    whole = joined([programme, again])
    found = {replay.shot - count: replay.of for replay in find_replays(whole.shots, whole.looks)}
    asked = [
        index
        for index, shot in enumerate(programme.shots)
        if shot.end_ms - shot.start_ms >= LEAST_MS and index not in repeats_itself
    ]
    moving = [index for index in asked if moves(programme, programme.shots[index])]
    still = set(asked) - set(moving)
    right = sum(found.get(index) == index for index in moving)
    wrong = sum(index in found and found[index] != index for index in moving)
    missed = len(moving) - right - wrong
    return (
        f"| {name} | {len(moving)} | {right} | {wrong} | {missed} | {len(still)} | {len(still & found.keys())} |"
    )


def moves(seen: Seen, shot: Shot) -> bool:
    """Tell whether looks far apart in a shot differ enough that their order can be told at all."""
    low, high = np.searchsorted(seen.looks.times_ms, [shot.start_ms, shot.end_ms])
    times, hashes = seen.looks.times_ms[low:high], seen.looks.hashes[low:high]
    apart = np.abs(times[:, None] - times[None, :]) >= (times[-1] - times[0]) / 3
    return float(hamming(hashes[:, None], hashes[None, :])[apart].mean()) >= CONTRAST_BITS


def _place(shot: Shot, paths: list[Path], clips: list[Seen]) -> str:
    start = 0
    for path, clip in zip(paths, clips, strict=True):
        after = start + max(clip.shots[-1].end_ms, int(clip.looks.times_ms[-1]) + 1)
        if shot.start_ms < after:
            return f"{path.stem} {(shot.start_ms - start) / 1000:.1f} s"
        start = after
    raise AssertionError("beyond the last clip")


def _evidence(replay: Replay) -> str:
    return (
        f"{replay.mean_bits:.1f} bits apart, others {replay.contrast_bits:.1f} more, {replay.slower:.1f} × as long"
    )


if __name__ == "__main__":
    main()
