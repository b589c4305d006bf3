"""The spans of `OpenTelemetryHook`: whose child each one is, what it says, and how it ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer

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

Value = TypeVar("Value")

_BAD_REQUEST = 400
_MOST_KEPT = 10_000
_MOST_LINKS = 32


class BoundedDict(Generic[Value]):
    """Values by id until they are taken; the oldest go when nobody has taken ten thousand of them."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, Value] = OrderedDict()

    def put(self, key: str, value: Value) -> None:
        self._values[key] = value
        if len(self._values) > _MOST_KEPT:
            self._values.popitem(last=False)

    def find(self, key: str | None) -> Value | None:
        return None if key is None else self._values.get(key)

    def take(self, key: str) -> Value | None:
        return self._values.pop(key, None)


def error_type(error: str, status: int | None) -> str:
    """Return the `error.type` of the HTTP conventions: the status, or the class of the error."""
    return str(status) if status is not None and status >= _BAD_REQUEST else error


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
    caller's task is, too. A fetch that runs for several is the child of the caller whose miss
    began it; every other caller's span has a link to it. What belongs to nobody is a root: a
    token exchange, with a link to the one before, and the renewal of a copy that was served
    meanwhile, with links to those who got it.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._calls: BoundedDict[Span] = BoundedDict()
        self._waits: BoundedDict[tuple[Span, bool]] = BoundedDict()
        self._parents: BoundedDict[Span] = BoundedDict()
        self._causes: BoundedDict[list[SpanContext]] = BoundedDict()
        # Those who wait for a fetch or an exchange look it up when it has ended, too.
        self._known: BoundedDict[SpanContext] = BoundedDict()
        self._exchange: SpanContext | None = None
        self._here: ContextVar[Span | None] = ContextVar("scope_async_call", default=None)

    def served_while_renewed(self, event: CacheHit) -> None:
        """Remember whom a renewal in the background is for."""
        caller = trace.get_current_span().get_span_context()
        request_id = event.request_id
        if request_id is None or not caller.is_valid or self._known.find(request_id) is not None:
            return
        causes = self._causes.find(request_id) or []
        if len(causes) < _MOST_LINKS:
            self._causes.put(request_id, [*causes, caller])

    def missed(self, event: CacheMiss) -> None:
        span = self._tracer.start_span(
            "scope get_prompt_version",
            kind=SpanKind.INTERNAL,
            attributes={"gen_ai.prompt.name": event.prompt, "scope.prompt.selector": event.selector},
        )
        self._waits.put(event.call_id, (span, event.shared))
        if not event.shared:
            self._parents.put(event.request_id, span)

    def waited(self, event: FetchWaited) -> None:
        wait = self._waits.take(event.call_id)
        if wait is None:
            return
        span, shared = wait
        fetch = self._known.find(event.request_id)
        if not shared:
            self._parents.take(event.request_id)  # still there when the fetch never began
        elif fetch is not None:
            span.add_link(fetch)
        span.set_attribute("scope.outcome", event.outcome)
        if event.version_number:
            span.set_attribute("gen_ai.prompt.version", str(event.version_number))
        if event.error is not None:
            _fail(span, event.error)
        span.end()

    def started(self, event: RequestStarted) -> None:
        parent = self._parents.take(event.request_id)
        causes = self._causes.take(event.request_id) or []
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
            attributes["gen_ai.prompt.name"] = event.prompt
        span = self._tracer.start_span(
            f"{event.method} {event.template}",
            context=None if parent is None else trace.set_span_in_context(parent, Context()),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=[Link(cause) for cause in causes],
        )
        self._calls.put(event.request_id, span)
        self._known.put(event.request_id, span.get_span_context())
        if event.operation == "exchange":
            self._exchange = span.get_span_context()
        self._here.set(span)

    def inject(self, request_id: str, headers: dict[str, str]) -> None:
        """Add the headers that the application's propagators make of the call's span, and no baggage."""
        span = self._calls.find(request_id)
        if span is not None:
            propagate.inject(headers, context=trace.set_span_in_context(span, Context()))

    def retried(self, event: RequestRetried) -> None:
        attributes: dict[str, str | int | float] = {
            "scope.attempt": event.attempt,
            "scope.retry.delay_ms": event.delay_ms,
            "error.type": error_type(event.error, event.status),
        }
        self._tell(self._calls.find(event.request_id), "scope.attempt.failed", attributes)

    def waited_for_token(self, event: TokenWaited) -> None:
        # It is told in the task of the call that waits.
        span = self._here.get()
        self._tell(span, "scope.token.waited", {"scope.wait_ms": event.duration_ms})
        exchange = self._known.find(event.request_id)
        if span is not None and span.is_recording() and exchange is not None:
            span.add_link(exchange)

    def fetched(self, event: PromptFetched) -> None:
        span = self._calls.find(event.request_id)
        if span is not None:
            span.set_attribute("gen_ai.prompt.version", str(event.version_number))

    def answered(self, event: ResponseReceived) -> None:
        self._end(event.request_id, event.attempts, event.status, None)

    def failed(self, event: RequestFailed) -> None:
        self._end(event.request_id, event.attempts, event.status, event.error)

    def _end(self, request_id: str, attempts: int, status: int | None, error: str | None) -> None:
        self._here.set(None)
        span = self._calls.take(request_id)
        if span is None:
            return
        if status:
            span.set_attribute("http.response.status_code", status)
        if attempts > 1:
            span.set_attribute("http.request.resend_count", attempts - 1)
        if error is not None:
            _fail(span, error_type(error, status))
        span.end()

    @staticmethod
    def _tell(span: Span | None, name: str, attributes: Mapping[str, str | int | float]) -> None:
        if span is not None and span.is_recording():
            span.add_event(name, attributes)


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
