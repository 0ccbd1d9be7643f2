"""`make eval`: shot boundaries, and who was recognised when, against what a person saw.

Frames and faces go through the very code the worker and the activities run; only the servers are left out.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.material import Material, broadcast, quiet_logs
from fanreel.adapters.media.source import FileSource
from fanreel.commands.analyze import EVENT_ID, analyze_video
from fanreel.contracts import Consent, FanDocument, MatchDocument
from fanreel.domain.enrolment import with_selfie
from fanreel.domain.matching import MatchPolicy, baseline_calibration, decide_matches
from fanreel.domain.shots import score_cuts
from fanreel.inference.networks import Networks, load_networks
from fanreel.inference.selfies import measure_selfie
from fanreel.settings import get_settings

TOLERANCE_FRAMES = 2
TOLERANCE_S = 0.5

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Truth:
    """When shots begin, and when each fan is on screen, in seconds."""

    cuts_s: list[float]
    spans: dict[str, list[Span]]


def main() -> None:
    """Measure and print."""
    quiet_logs()
    console = Console(width=100)
    networks = load_networks(get_settings())
    console.print(people_table(broadcast(), networks))


def people_table(material: Material, networks: Networks) -> Table:
    """Enrol the fans, search the broadcast, and count what is right and what is somebody else's."""
    truth = read_truth(material)
    analysis = analyze_video(FileSource(material.video), networks, get_settings())
    assert analysis.merged is not None
    fans = [enrolled(folder, networks) for folder in sorted(material.fans.iterdir()) if folder.is_dir()]
    policy = MatchPolicy(target_false_matches=get_settings().target_false_matches)
    matches = decide_matches(fans, list(analysis.merged.appearances), policy)
    # The truth lists hard cuts only; shots also part at dissolves and fades.
    found_cuts = sorted(cut for result in analysis.results for cut in result.cuts_ms)
    _, _, f1 = score_cuts(found_cuts, [s * 1000 for s in truth.cuts_s], TOLERANCE_FRAMES * 40 + 1)

    table = Table(title=f"{material.name}: appearances per fan; shot F1 {f1:.3f}")
    for name in ("fan", "on screen", "right", "wrong", "review right", "review wrong", "nearest wrong"):
        table.add_column(name, justify="left" if name == "fan" else "right")
    for fan in fans:
        spans = truth.spans.get(fan.fan_id, [])
        own = [match for match in matches if match.fan_id == fan.fan_id]
        sure, maybe = _split(own, spans, "match"), _split(own, spans, "review")
        nearest = min((m.evidence.distance for m in [*sure[1], *maybe[1]]), default=None)
        cells = (len(spans), len(sure[0]), len(sure[1]), len(maybe[0]), len(maybe[1]))
        table.add_row(fan.fan_id, *map(str, cells), f"{nearest:.3f}" if nearest is not None else "–")
    return table


def read_truth(material: Material) -> Truth:
    """Read either form: scenes with who is present (shared broadcast), or spans per person (demo)."""
    data: dict[str, Any] = json.loads(material.truth.read_text())
    if "cutsMs" in data:
        spans = {name: [(a / 1000, b / 1000) for a, b in each] for name, each in data["people"].items()}
        return Truth([cut / 1000 for cut in data["cutsMs"]], spans)
    spans = {}
    for scene in data["people"]:
        for name in scene.get("present", ()):
            spans.setdefault(name, []).append((scene["startSeconds"], scene["endSeconds"]))
    return Truth(list(data["cutsSeconds"]), {name: _joined(each) for name, each in spans.items()})


def enrolled(folder: Path, networks: Networks) -> FanDocument:
    """Enrol a fan from a folder of selfies."""
    consent = Consent(given=True, text_version="benchmark", given_at="2026-01-01T00:00:00Z")
    fan = FanDocument(id=folder.name, fan_id=folder.name, event_ids=(EVENT_ID,), consent=consent)
    for path in sorted(folder.iterdir()):
        record = measure_selfie(path.read_bytes(), networks, blob_name=path.name, blob_etag="1")
        fan = with_selfie(fan, record, networks.model_contract, baseline_calibration())
    return fan


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= 2 * TOLERANCE_S:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _split(
    matches: list[MatchDocument], spans: list[Span], decision: str
) -> tuple[list[MatchDocument], list[MatchDocument]]:
    """Return (right, wrong) matches with this decision."""
    chosen = [match for match in matches if match.decision == decision]
    right = [match for match in chosen if _inside(match, spans)]
    return right, [match for match in chosen if match not in right]


def _inside(match: MatchDocument, spans: list[Span]) -> bool:
    start, end = match.start_ms / 1000, match.end_ms / 1000
    return any(low - TOLERANCE_S <= start and end <= high + TOLERANCE_S for low, high in spans)


if __name__ == "__main__":
    main()
