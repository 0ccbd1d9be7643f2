"""report.json has its published shape; report.html stands alone and escapes every name."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from fanreel.contracts import (
    AppearanceDocument,
    Evidence,
    FanDocument,
    Gap,
    Highlight,
    MatchDocument,
    ModelContract,
    MontageClip,
    MontageDocument,
    MontagePlan,
    Shot,
    SoundEvent,
    SoundSpan,
    VideoDocument,
)
from fanreel.report import RunDocuments, build_report, render_page
from fanreel.report.charts import Bar, clock, curve, lanes

pytestmark = pytest.mark.unit

EVIL = '<script>alert("x")</script>'
CONTRACT = ModelContract(model_id="m", sha256="0", preprocessing="1")
MS = {"type": "integer", "minimum": 0}


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}


TEXT = {"type": "string"}
MAYBE = {"type": ["string", "null"]}
SPAN = {"videoId": TEXT, "startMs": MS, "endMs": MS}
NUMBER = {"type": "number"}
MAYBE_NUMBER = {"type": ["number", "null"]}
MONTAGE = _object(
    path=TEXT,
    files={"type": "object", "additionalProperties": TEXT},
    durationMs=MS,
    loudnessLufs=MAYBE_NUMBER,
    truePeakDbtp=MAYBE_NUMBER,
    avOffsetMs=MAYBE_NUMBER,
    clips=_array(_object(**SPAN, kind=TEXT, reason=TEXT, caption=TEXT)),
)
HIGHLIGHT = _object(
    rank=MS,
    startMs=MS,
    endMs=MS,
    peakMs=MS,
    score=NUMBER,
    reasons=_array(TEXT),
    parts={"type": "object", "additionalProperties": NUMBER},
    unusual={"type": "boolean"},
)
SOUND = _object(kind=TEXT, instances=_array(_object(startMs=MS, endMs=MS, confidence=NUMBER)))
SCHEMA = _object(
    videos=_array(
        _object(
            videoId=TEXT,
            name=TEXT,
            status=TEXT,
            reason=MAYBE,
            durationMs=MS,
            shots=_array(_object(startMs=MS, endMs=MS)),
            segments=_object(total=MS, done=MS, failed=MS),
            profile=TEXT,
            highlights=_array(HIGHLIGHT),
            sounds=_array(SOUND),
        )
    ),
    fans=_array(
        _object(
            fanId=TEXT,
            status=TEXT,
            reason=MAYBE,
            appearances=_array(
                _object(**SPAN, probability={"type": "number", "minimum": 0, "maximum": 1}, decision=TEXT)
            ),
            montage={"anyOf": [MONTAGE, {"type": "null"}]},
        )
    ),
    timings={"type": "object", "additionalProperties": {"type": "number"}},
)


def _run(out: Path) -> RunDocuments:
    video = VideoDocument(
        id="v-1",
        video_id="v-1",
        event_id="cup",
        name=EVIL + ".mp4",
        blob_name="cup/a.mp4",
        blob_etag="1",
        instance_id="video-1",
        status="ready_partial",
        reason="segments_failed",
        duration_ms=20_000,
        segment_states={"00000": "done", "00001": "failed"},
        shots=(Shot(start_ms=0, end_ms=9_000), Shot(start_ms=9_000, end_ms=20_000)),
        excitement=tuple(i / 20 for i in range(20)),
        gaps=(Gap(start_ms=15_000, end_ms=20_000, reason=EVIL),),
        sounds=(SoundEvent(kind="cheer", instances=(SoundSpan(start_ms=0, end_ms=2_000, confidence=0.8),)),),
        highlights=(
            Highlight(rank=1, start_ms=500, end_ms=8_000, peak_ms=3_000, score=0.8, reasons=("loud", EVIL)),
        ),
    )
    seen = AppearanceDocument(
        id="v-1-a00000",
        video_id="v-1",
        event_id="cup",
        start_ms=1_000,
        end_ms=5_000,
        shot_index=0,
        pts_ms=(1_000, 3_000, 5_000),
        boxes=((0, 0, 9, 9),) * 3,
        excitement_curve=(0.1, 0.9, 0.4),
    )
    match = MatchDocument(
        id="x",
        fan_id="ana",
        video_id="v-1",
        event_id="cup",
        appearance_id=seen.id,
        start_ms=1_000,
        end_ms=5_000,
        probability=0.99999,
        decision="match",
        evidence=Evidence(
            distance=0.1,
            threshold=0.2,
            review_threshold=0.3,
            threshold_reason="test",
            runner_up_fan_id=None,
            runner_up_margin=None,
            supporting_faces=4,
        ),
        model_contract=CONTRACT,
    )
    clip = MontageClip(
        video_id="v-1", start_ms=1_200, end_ms=4_800, score=0.9, reason=EVIL, appearance_id=seen.id, caption=EVIL
    )
    plan = MontagePlan(
        montage_id="m-1",
        fan_id="ana",
        event_id="cup",
        clips=(clip,),
        duration_ms=3_600,
        crossfade_ms=200,
        width=1280,
        height=720,
    )
    montage = MontageDocument(
        id="montage-cup",
        fan_id="ana",
        event_id="cup",
        montage_id="m-1",
        status="ready",
        plan=plan,
        duration_ms=3_600,
    )
    poster = out / "ana.jpg"
    cv2.imwrite(str(poster), np.full((1080, 1920, 3), 90, np.uint8))
    fans = [
        FanDocument(id="ana", fan_id="ana", event_ids=("cup",), status="ready"),
        FanDocument(id="bo", fan_id="bo", event_ids=("cup",), status="rejected", reason="selfie_no_face"),
    ]
    return RunDocuments(
        videos=[video],
        fans=fans,
        matches={"ana": [match]},
        montages={"ana": montage},
        appearances={"v-1": [seen]},
        files={"ana": {"mp4": out / "ana.mp4", "jpg": poster}},
    )


class _Outside(HTMLParser):
    """Collects everything a browser would fetch, and the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or "" for name, value in attrs if name in {"src", "srcset", "data"} or tag == "link"
        ]


def test_report_json_has_the_published_shape(tmp_path: Path) -> None:
    report = build_report(_run(tmp_path), {"totalSeconds": 1.23456}, tmp_path)
    wire = json.loads(json.dumps(report.to_wire()))
    jsonschema.validate(wire, SCHEMA)
    assert wire["videos"][0]["segments"] == {"total": 2, "done": 1, "failed": 1}
    assert wire["videos"][0]["highlights"][0]["reasons"] == ["loud", EVIL]
    montage = wire["fans"][0]["montage"]
    assert (montage["path"], montage["durationMs"]) == ("ana.mp4", 3_600)
    assert montage["files"] == {"jpg": "ana.jpg", "mp4": "ana.mp4"}
    assert [(c["startMs"], c["endMs"], c["kind"]) for c in montage["clips"]] == [(1_200, 4_800, "moment")]
    assert wire["fans"][1]["montage"] is None
    assert wire["fans"][1]["reason"] == "selfie_no_face"


def test_a_montage_that_was_not_downloaded_is_not_reported(tmp_path: Path) -> None:
    run = _run(tmp_path)
    report = build_report(RunDocuments(run.videos, run.fans, run.matches, run.montages), {}, tmp_path)
    assert report.fans[0].montage is None


def test_names_from_outside_never_become_markup(tmp_path: Path) -> None:
    run = _run(tmp_path)
    page = render_page(build_report(run, {EVIL: 1.0}, tmp_path), run, EVIL)
    parser = _Outside()
    parser.feed(page)
    assert "script" not in parser.tags
    assert page.count("&lt;script&gt;") >= 7


def test_the_page_fetches_nothing(tmp_path: Path) -> None:
    run = _run(tmp_path)
    page = render_page(build_report(run, {"totalSeconds": 2.0}, tmp_path), run, "cup")
    parser = _Outside()
    parser.feed(page)
    assert [value for value in parser.fetched if not value.startswith("data:image/jpeg;base64,")] == []
    assert len(parser.fetched) == 1
    assert "url(" not in page
    assert "@import" not in page
    assert len(page) < 200_000


def test_the_page_shows_clip_times_probability_and_the_curve(tmp_path: Path) -> None:
    run = _run(tmp_path)
    page = render_page(build_report(run, {}, tmp_path), run, "cup")
    assert "0:01.2 – 0:04.8" in page
    # A probability is never shown as certainty.
    assert "99.9 %" in page
    assert "100.0 %" not in page
    assert re.search(r'class="own" points="50\.0,', page)
    assert 'href="ana.mp4"' in page


def test_overlapping_tracks_get_rows_of_their_own() -> None:
    bars = [Bar(0, 10, "track", "a"), Bar(5, 15, "track", "b"), Bar(10, 20, "track", "c")]
    assert [[bar.title for bar in row] for row in lanes(bars)] == [["a", "c"], ["b"]]


def test_a_video_without_length_draws_without_error() -> None:
    assert curve(0, [], []).startswith("<svg")


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0:00.0"), (61_550, "1:01.6"), (59_980, "1:00.0"), (3_725_000, "1:02:05.0")]
)
def test_clock(ms: int, text: str) -> None:
    assert clock(ms) == text
