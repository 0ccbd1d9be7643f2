"""Thirty captions, read by a person; facts not named say nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from fanreel.domain.captions import ClipFacts, caption_clip

pytestmark = pytest.mark.golden

EXAMPLES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("captions.json").read_text("utf-8"))


def test_there_are_thirty_different_ones():
    assert len({example["caption"] for example in EXAMPLES}) == 30


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["caption"])
def test_facts_become_the_sentence_that_was_read(example: dict[str, Any]):
    assert caption_clip(ClipFacts(**example["facts"])) == example["caption"]
