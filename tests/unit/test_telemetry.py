"""Every log line of a broadcast carries its trace, in whatever process the step runs."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from fanreel.adapters.telemetry import configure_telemetry, current_traceparent, in_trace
from fanreel.settings import Settings

pytestmark = pytest.mark.unit


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    before, written = structlog.get_config(), io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure_telemetry(Settings(log_format="json"))
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.configure(**before)


def test_all_steps_of_a_video_log_one_trace(lines: Any) -> None:
    log = structlog.get_logger()
    for subject in ("v-1", "v-1", "v-2"):
        with in_trace(subject=subject):
            log.info("step")
    log.info("outside")
    first, second, other, outside = (line.get("trace_id") for line in lines())
    assert first == second != other
    assert len(first) == 32
    assert outside is None


def test_a_message_takes_the_trace_to_the_worker(lines: Any) -> None:
    with in_trace(subject="v-1"):
        carried = current_traceparent()
        structlog.get_logger().info("sent")
    with in_trace(subject="whatever", traceparent=carried):
        structlog.get_logger().info("received")
        assert current_traceparent() == carried
    sent, received = lines()
    assert sent["trace_id"] == received["trace_id"]
    assert current_traceparent() is None
