"""Traces for OpenTelemetry, where ``MAILING_TRACES_URL`` is set; without it nothing of this is made or asked for.

A trace goes over processes with the header ``traceparent``: what comes with a request is the parent of what is done for
it, and whom we call is told. No span bears a phone number, a text or a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # an extra, which may not be there
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

_PACKAGE: Final = "opentelemetry"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_EXPORT_SECONDS: Final = 2
"""A collector that does not answer holds up a stop for so long, and nothing else."""
_outgoing: ContextVar[Mapping[str, str]] = ContextVar("outgoing", default=_NOTHING)


def outgoing() -> Mapping[str, str]:
    """The headers that whoever is called now is to be told; none without a trace."""
    return _outgoing.get()


def is_installed() -> bool:
    """Whether the extra ``otel`` is there."""
    return find_spec(_PACKAGE) is not None and find_spec(f"{_PACKAGE}.sdk") is not None


class Tracing:
    """Makes the spans of one process, and hands them over in the background."""

    def __init__(self, service: str, processor: SpanProcessor) -> None:
        """``service``: the process's name in traces."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("mailing")

    @classmethod
    def to(cls, url: str, service: str) -> Tracing:
        """Hand spans over to a collector: OTLP over HTTP, ``http://127.0.0.1:4318/v1/traces``."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        return cls(service, BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_SECONDS)))

    @contextmanager
    def served(self, name: str, incoming: Mapping[str, str], **attributes: str | int) -> Iterator[Span]:
        """A span of what somebody asked for; ``incoming``: the headers that came with it, in lower case."""
        from opentelemetry.trace import SpanKind

        with self._span(name, SpanKind.SERVER, incoming, attributes) as span:
            yield span

    @contextmanager
    def called(self, name: str, **attributes: str | int) -> Iterator[Span]:
        """A span of a call to somebody else, within the one that is open in this task."""
        from opentelemetry.trace import SpanKind

        with self._span(name, SpanKind.CLIENT, None, attributes) as span:
            yield span

    @contextmanager
    def _span(self, name: str, kind: Any, incoming: Mapping[str, str] | None, attributes: Any) -> Iterator[Span]:
        from opentelemetry.propagate import extract, inject

        parent = None if incoming is None else extract(incoming)
        # What an error says may hold a number: it is in the log, masked.
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            headers: dict[str, str] = {}
            inject(headers)
            before = _outgoing.get()
            _outgoing.set(headers)
            try:
                yield span
            finally:
                _outgoing.set(before)

    def close(self) -> None:
        """Hand over what is left; blocks for some seconds at most."""
        self._provider.shutdown()
