from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from scope_async.errors import NotFoundError, ServerError
from scope_async.http.instrumentation import RequestInstrumentation
from scope_async.http.messages import Reply, Request
from scope_async.telemetry.events import (
    Event,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
)


class RecordingHook:
    """Keeps all events, and adds headers as a hook does."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.events: list[Event] = []
        self.headers = headers

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        assert isinstance(self.events[-1], RequestStarted)
        assert self.events[-1].request_id == request_id
        headers.update(self.headers)


def request() -> Request:
    headers = CIMultiDict({"X-Request-ID": "r", "Authorization": "ours"})
    return Request(operation="o", method="GET", url=URL("http://localhost/a/b"), headers=headers)


def instrumentation(hook: RecordingHook, **options: Any) -> RequestInstrumentation:
    return RequestInstrumentation(hook, **{"monotonic": lambda: 0.0, "headers": {}, **options})


def test_observe_lets_a_hook_add_headers_and_replaces_none_of_ours() -> None:
    hook = RecordingHook(dict.fromkeys(("traceparent", "authorization", "X-REQUEST-ID", "accept"), "theirs"))
    sent = request()
    with instrumentation(hook, headers={"Accept": "of all calls"}).observe(sent):
        pass
    assert sent.headers == {
        "X-Request-ID": "r",
        "Authorization": "ours",
        "Accept": "of all calls",
        "traceparent": "theirs",
    }


def test_observe_leaves_the_headers_alone_when_no_hook_adds_any() -> None:
    sent = request()
    before = sent.headers
    with instrumentation(RecordingHook({})).observe(sent):
        pass
    assert sent.headers is before


def test_observe_reports_the_status_that_was_read_last() -> None:
    hook, now = RecordingHook({}), iter([1.0, 1.25])
    with instrumentation(hook, monotonic=lambda: next(now)).observe(request()) as observed:
        read = observed.read_with(lambda reply: reply.status)
        assert [read(Reply(status=status, headers={}, body=b"")) for status in (503, 404)] == [503, 404]
    assert hook.events[1:] == [
        ResponseReceived(operation="o", request_id="r", status=404, attempts=1, duration_ms=250.0)
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFoundError("no", http_status=404), 404), (KeyboardInterrupt(), None), (ValueError("bug"), None)],
)
def test_observe_reports_any_exception_and_passes_it_on(error, status) -> None:
    hook = RecordingHook({})
    with pytest.raises(type(error)) as raised, instrumentation(hook).observe(request()):
        raise error
    assert raised.value is error
    failed = RequestFailed(
        operation="o",
        request_id="r",
        error=type(error).__name__,
        status=status,
        attempts=1,
        duration_ms=0.0,
    )
    assert hook.events[1:] == [failed]


def test_retried_reports_the_attempt_its_error_and_the_delay() -> None:
    hook = RecordingHook({})
    instrumentation(hook).retried(request(), ServerError("busy", http_status=503), 0.25)
    assert hook.events == [
        RequestRetried(
            operation="o", request_id="r", attempt=1, delay_ms=250.0, error="ServerError", status=503
        )
    ]
