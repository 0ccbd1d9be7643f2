"""Structured logs and traces, the same in the Functions app and in the worker.

All steps of one broadcast (or one selfie) share a trace: its id is derived from the id of the thing worked
on, because a Durable replay carries no context of ours. Inside a step, spans nest as usual, and the queue
message to the worker carries `traceparent`.
"""

import hashlib
import logging
import sys
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fanreel.settings import Settings

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER_NAME = "fanreel"


def configure_telemetry(settings: Settings, service: str) -> None:
    """Set up logs and traces of this process. Calling it again changes the log settings only."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": service})))
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
    for noisy in ("azure", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def step_span(
    name: str,
    *,
    subject: str = "",
    traceparent: str | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> Generator[None]:
    """Run a step inside a span: below `traceparent` when given, else in the trace of `subject`."""
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    if parent is None and subject:
        parent = trace.set_span_in_context(NonRecordingSpan(_subject_context(subject)))
    tracer = trace.get_tracer(_TRACER_NAME)
    with tracer.start_as_current_span(
        name, context=parent, kind=SpanKind.INTERNAL, attributes=dict(attributes or {})
    ):
        yield


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the current span, for a message; None outside any span."""
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
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event
