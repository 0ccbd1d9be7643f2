"""Excitement and expressions on a clip whose labels are burnt in."""

from pathlib import Path

import pytest

from fanreel.commands.eval_expression import RANGES, moments, rank_correlation, read_ranges
from fanreel.inference.networks import load_networks
from fanreel.settings import get_settings

pytestmark = pytest.mark.integration

WEBCAM = "people/webcam_emotions_burnt_labels.mp4"


def test_excitement_follows_the_arousal_of_what_a_man_shows(shared_media: Path) -> None:
    found = moments(shared_media / "video" / WEBCAM, read_ranges(RANGES)[WEBCAM], load_networks(get_settings()))
    assert len(found) >= 25
    assert rank_correlation(found) > 0.6
    mean = {
        label: sum(m.excitement for m in found if m.label == label) / sum(m.label == label for m in found)
        for label in ("sad", "surprised")
    }
    assert mean["surprised"] > 0.5 > 0.2 > mean["sad"]
    assert {m.said for m in found if m.label == "surprised"} == {"surprised"}
