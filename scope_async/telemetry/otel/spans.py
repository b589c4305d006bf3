"""The spans of `OpenTelemetryHook`: their parents, links, attributes and ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from http import HTTPStatus
from urllib.parse import urlsplit

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer

from scope_async._core.bounded_dict import BoundedDict
from scope_async.telemetry.events import (
    CacheHit,
    CacheMiss,
    FetchWaited,
    PromptFetched,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
    TokenWaited,
)
from scope_async.telemetry.otel.suppression import (
    Attached,
    is_http_suppressed,
    is_suppressed,
    suppressing_http,
)

_MAX_OPEN = 10_000
"""Spans, or what belongs to one, remembered until an event ends them; some never end."""

_MAX_LINKS = 32


def error_type(error: str, status: int | None) -> str:
    """Return the `error.type` of the HTTP conventions: the status, or the class of the error."""
    return str(status) if status is not None and status >= HTTPStatus.BAD_REQUEST else error


def address_of(url: str) -> dict[str, str | int]:
    """Return `server.address` and `server.port`, as spans and metrics have them."""
    parts = urlsplit(url)
    return {
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }


class Spans:
    """One CLIENT span for each call to the service, one INTERNAL span for each caller that waits.

    A caller's span is a child of what is current where it calls. A call that runs in the
    caller's task is, too. A fetch that several callers share is the child of the caller whose miss
    began it; every other caller's span has a link to it. Background work is a root: a token
    exchange, with a link to the one before, and the renewal of a copy that was served meanwhile,
    with links to the callers that got it.

    What the application suppresses has no span: a call under `suppress_http_instrumentation`, a wait
    under `suppress_instrumentation` as well. Of a shared fetch the caller that began it decides.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._calls: BoundedDict[str, Span] = BoundedDict(_MAX_OPEN)
        self._waits: BoundedDict[str, tuple[Span, bool]] = BoundedDict(_MAX_OPEN)
        self._parents: BoundedDict[str, Span] = BoundedDict(_MAX_OPEN)
        self._causes: BoundedDict[str, list[SpanContext]] = BoundedDict(_MAX_OPEN)
        self._suppressed: BoundedDict[str, None] = BoundedDict(_MAX_OPEN)
        # The callers that wait for a fetch or an exchange look it up after its end, too.
        self._known: BoundedDict[str, SpanContext] = BoundedDict(_MAX_OPEN)
        self._exchange: SpanContext | None = None
        self._current_call: ContextVar[Span | None] = ContextVar("scope_async_call", default=None)

    def served_while_renewed(self, event: CacheHit) -> None:
        """Remember the caller that a renewal in the background gets a link to."""
        caller = trace.get_current_span().get_span_context()
        request_id = event.request_id
        if request_id is None or self._known.get(request_id) is not None:
            return
        if is_http_suppressed():
            self._suppressed[request_id] = None
            return
        self._suppressed.pop(request_id, None)
        if not caller.is_valid:
            return
        causes = self._causes.get(request_id) or []
        if len(causes) < _MAX_LINKS:
            self._causes[request_id] = [*causes, caller]

    def missed(self, event: CacheMiss) -> None:
        if is_http_suppressed() and not event.shared:
            self._suppressed[event.request_id] = None
        if is_suppressed():
            return
        span = self._tracer.start_span(
            "scope get_prompt_version",
            kind=SpanKind.INTERNAL,
            attributes={**_name_of(event.prompt), "scope.prompt.selector": event.selector},
        )
        self._waits[event.call_id] = (span, event.shared)
        if not event.shared:
            self._parents[event.request_id] = span

    def waited(self, event: FetchWaited) -> None:
        wait = self._waits.pop(event.call_id, None)
        if wait is None:
            return
        span, shared = wait
        fetch = self._known.get(event.request_id or "")
        if not shared:
            self._parents.pop(event.request_id, None)  # still there when the fetch never began
        elif fetch is not None:
            span.add_link(fetch)
        span.set_attribute("scope.outcome", event.outcome)
        if event.version_number:
            span.set_attributes(_version_of(event.version_number))
        if event.error is not None:
            _mark_failed(span, event.error)
        span.end()

    def pop_suppressed(self, event: RequestStarted) -> bool:
        """Return True if the call that begins gets no span, and forget that; call it before `started`."""
        suppressed = event.request_id in self._suppressed or is_http_suppressed()
        self._suppressed.pop(event.request_id, None)
        if suppressed:
            self._current_call.set(None)
            self._parents.pop(event.request_id, None)
        return suppressed

    def started(self, event: RequestStarted) -> None:
        parent = self._parents.pop(event.request_id, None)
        causes = self._causes.pop(event.request_id, None) or []
        if event.operation == "exchange" and self._exchange is not None:
            causes = [self._exchange]
        attributes: dict[str, str | int] = {
            "http.request.method": event.method,
            "url.full": event.url,
            "url.template": event.template,
            "scope.request_id": event.request_id,
            **address_of(event.url),
        }
        if event.prompt is not None:
            attributes.update(_name_of(event.prompt))
        span = self._tracer.start_span(
            f"{event.method} {event.template}",
            context=None if parent is None else trace.set_span_in_context(parent, Context()),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=[Link(cause) for cause in causes],
        )
        self._calls[event.request_id] = span
        self._known[event.request_id] = span.get_span_context()
        if event.operation == "exchange":
            self._exchange = span.get_span_context()
        self._current_call.set(span)

    def inject(self, request_id: str, headers: dict[str, str]) -> None:
        """Add the headers that the application's propagators make of the call's span, and no baggage."""
        span = self._calls.get(request_id)
        if span is not None:
            propagate.inject(headers, context=trace.set_span_in_context(span, Context()))

    def around_attempt(self, request_id: str) -> AbstractContextManager[None]:
        """Return what makes the call's span the current one, and keeps others from making spans of it."""
        span = self._calls.get(request_id)
        return Attached(suppressing_http(None if span is None else trace.set_span_in_context(span)))

    def retried(self, event: RequestRetried) -> None:
        attributes: dict[str, str | int | float] = {
            "scope.attempt": event.attempt,
            "scope.retry.delay_ms": event.delay_ms,
            "error.type": error_type(event.error, event.status),
        }
        self._add_event(self._calls.get(event.request_id), "scope.attempt.failed", attributes)

    def waited_for_token(self, event: TokenWaited) -> None:
        # The event comes in the task of the call that waits.
        span = self._current_call.get()
        self._add_event(span, "scope.token.waited", {"scope.wait_ms": event.duration_ms})
        exchange = self._known.get(event.request_id or "")
        if span is not None and span.is_recording() and exchange is not None:
            span.add_link(exchange)

    def fetched(self, event: PromptFetched) -> None:
        span = self._calls.get(event.request_id)
        if span is not None:
            span.set_attributes(_version_of(event.version_number))

    def answered(self, event: ResponseReceived) -> None:
        self._end(event.request_id, event.attempts, event.status, None)

    def failed(self, event: RequestFailed) -> None:
        self._end(event.request_id, event.attempts, event.status, event.error)

    def _end(self, request_id: str, attempts: int, status: int | None, error: str | None) -> None:
        self._current_call.set(None)
        span = self._calls.pop(request_id, None)
        if span is None:
            return
        if status:
            span.set_attribute("http.response.status_code", status)
        if attempts > 1:
            span.set_attribute("http.request.resend_count", attempts - 1)
        if error is not None:
            _mark_failed(span, error_type(error, status))
        span.end()

    @staticmethod
    def _add_event(span: Span | None, name: str, attributes: Mapping[str, str | int | float]) -> None:
        if span is not None and span.is_recording():
            span.add_event(name, attributes)


def _name_of(prompt: str) -> dict[str, str]:
    """Return the name of a prompt by the GenAI conventions, and as Scope's documentation has it."""
    return {"gen_ai.prompt.name": prompt, "scope.prompt.name": prompt}


def _version_of(number: int) -> dict[str, str]:
    return {"gen_ai.prompt.version": str(number), "scope.prompt.version": str(number)}


def _mark_failed(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
