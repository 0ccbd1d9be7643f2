"""Structured logs, every line with the trace it belongs to, the same in the Functions app and in the worker.

All steps of one broadcast (or one selfie) share a trace id: it is derived from the id of the thing worked on,
because a Durable replay carries no context of ours. The queue message to the worker and its report carry it as
W3C `traceparent`, so that one search over the logs follows a broadcast from upload to montage. No spans are
recorded: what a step did and how long it took is in its log lines.
"""

import hashlib
import logging
import sys
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fanreel.settings import Settings

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_telemetry(settings: Settings) -> None:
    """Set up the logs of this process; calling it again changes them."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # The SDKs' own request logs would drown ours.
    logging.getLogger("azure").setLevel(logging.WARNING)


@contextmanager
def in_trace(*, subject: str = "", traceparent: str | None = None) -> Generator[None]:
    """Run a step in the trace of `traceparent` when given, else in that of `subject`."""
    inside = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    if inside is None and subject:
        inside = trace.set_span_in_context(NonRecordingSpan(_subject_context(subject)))
    token = context.attach(inside or context.get_current())
    try:
        yield
    finally:
        context.detach(token)


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the current step, for a message; None outside any trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def _subject_context(subject: str) -> SpanContext:
    digest = hashlib.sha256(subject.encode()).digest()
    return SpanContext(
        trace_id=int.from_bytes(digest[:16]),
        span_id=int.from_bytes(digest[16:24]),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event["trace_id"] = f"{current.trace_id:032x}"
    return event
