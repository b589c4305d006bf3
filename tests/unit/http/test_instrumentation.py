"""What hooks are told of a call, and what they may add to it."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict
from yarl import URL

from scope_async.errors import NotFoundError
from scope_async.http.instrumentation import RequestInstrumentation
from scope_async.http.messages import Reply, Request
from scope_async.telemetry.events import Event, RequestFailed, RequestStarted, ResponseReceived


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


async def answer(_: object) -> str:
    return "answer"


async def test_a_hook_adds_headers_and_replaces_none_of_ours() -> None:
    hears = RecordingHook(dict.fromkeys(("traceparent", "authorization", "X-REQUEST-ID", "accept"), "theirs"))
    sent = request()
    witness = RequestInstrumentation(hears, monotonic=lambda: 0.0, headers={"Accept": "of all calls"})
    assert await witness.watch(sent, len, answer) == "answer"
    assert sent.headers == {
        "X-Request-ID": "r",
        "Authorization": "ours",
        "Accept": "of all calls",
        "traceparent": "theirs",
    }


async def test_without_headers_to_add_the_request_is_left_alone() -> None:
    sent = request()
    before = sent.headers
    await RequestInstrumentation(RecordingHook({}), monotonic=lambda: 0.0, headers={}).watch(
        sent, len, answer
    )
    assert sent.headers is before


async def test_an_answer_is_told_with_the_status_that_was_read_last() -> None:
    hears, now = RecordingHook({}), iter([1.0, 1.25])

    async def send(read) -> str:
        read(Reply(status=503, headers={}, body=b""))
        return read(Reply(status=404, headers={}, body=b""))

    await RequestInstrumentation(hears, monotonic=lambda: next(now), headers={}).watch(
        request(), lambda reply: reply.status, send
    )
    assert hears.events[1:] == [
        ResponseReceived(operation="o", request_id="r", status=404, attempts=1, duration_ms=250.0)
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFoundError("no", http_status=404), 404), (KeyboardInterrupt(), None), (ValueError("bug"), None)],
)
async def test_whatever_ends_a_call_is_told_and_passed_on(error, status) -> None:
    hears = RecordingHook({})

    async def send(_: object) -> str:
        raise error

    with pytest.raises(type(error)) as raised:
        await RequestInstrumentation(hears, monotonic=lambda: 0.0, headers={}).watch(request(), len, send)
    assert raised.value is error
    failed = RequestFailed(
        operation="o",
        request_id="r",
        error=type(error).__name__,
        status=status,
        attempts=1,
        duration_ms=0.0,
    )
    assert hears.events[1:] == [failed]
