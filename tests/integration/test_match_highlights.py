"""A made match through the real decoder, networks and ear: its one event is the highlight, its replay is known."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_match import RUN_S, Event, make_match
from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import Analysis, analyze_video, as_document
from fanreel.errors import ModelFault
from fanreel.inference.networks import Networks, load_networks
from fanreel.settings import Settings

pytestmark = pytest.mark.integration

EVENT = Event(at_s=2.5, cuts=1)
SECONDS = 23.0


@pytest.fixture(scope="module")
def networks() -> Networks:
    try:
        return load_networks(Settings())
    except ModelFault as fault:
        pytest.skip(f"needs the baseline networks: {fault.message}")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, int, int, int]]:
    path = tmp_path_factory.mktemp("match") / "match.mp4"
    (replay,) = make_match(path, SECONDS, [EVENT])
    return path, replay


@pytest.fixture(scope="module")
def analysis(planted: tuple[Path, Any], networks: Networks) -> Analysis:
    return analyze_video(FileSource(planted[0]), networks, Settings(segment_target_ms=12_000))


def test_the_action_shown_again_is_recognised_across_segments(
    analysis: Analysis, planted: tuple[Path, tuple[int, int, int, int]]
) -> None:
    shown_ms, _, from_ms, to_ms = planted[1]
    assert len(analysis.plan.segments) == 2
    assert analysis.merged is not None
    shots = analysis.merged.shots
    marked = {index: shot.replay_of for index, shot in enumerate(shots) if shot.replay_of is not None}
    ((replay, original),) = marked.items()
    assert shots[replay].start_ms == pytest.approx(shown_ms, abs=100)
    assert shots[original].start_ms <= from_ms < to_ms <= shots[original].end_ms


def test_the_event_is_the_highlight_and_is_told_why(
    analysis: Analysis, planted: tuple[Path, tuple[int, int, int, int]], networks: Networks
) -> None:
    assert analysis.merged is not None
    shown_ms, until_ms, _, _ = planted[1]
    first, *others = analysis.merged.highlights
    assert first.start_ms < EVENT.at_s * 1000 + 2000
    assert (EVENT.at_s + RUN_S - 1) * 1000 < first.end_ms <= shown_ms
    assert "shown again at 00:00:" in " ".join(first.reasons)
    assert all(each.end_ms <= shown_ms or until_ms <= each.start_ms for each in others)
    document = as_document(analysis, "match.mp4", networks, with_templates=False)
    assert document["highlights"][0]["reasons"] == list(first.reasons)
    assert len(document["action"]) == len(document["unusual"]) == SECONDS
