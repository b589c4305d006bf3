from __future__ import annotations

import asyncio
import builtins
import ssl
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from unittest.mock import Mock

import aiohttp
import msgspec
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from scope_async._core.clock import FakeClock
from scope_async.config import Config
from scope_async.errors import (
    ApiError,
    ClientClosedError,
    ConnectionError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
)
from scope_async.http.deadlines import Deadline, Deadlines
from scope_async.http.decoding import read_json
from scope_async.http.messages import Reply, Request, merge_headers, request_headers
from scope_async.http.sending import MAX_REPLY_BYTES
from scope_async.http.transport import Transport
from scope_async.telemetry.events import Event, RequestRetried, RequestStarted, ResponseReceived
from tests.fakes.exchange import settle

ADDRESS = "https://scope.example/api/v1/prompts/greeting/production"
SECRET = "secret_01DEF456"
CONNECTION = ConnectionKey("scope.example", 443, True, True, None, None, None)


def request(method: str = "GET", body: bytes | None = None) -> Request:
    return Request(
        operation="get_prompt_version",
        method=method,
        url=URL(ADDRESS),
        headers=merge_headers(request_headers(), {"Authorization": f"Bearer {SECRET}"}),
        body=body,
    )


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def transport(instant_clock, events) -> AsyncIterator[Transport]:
    """A transport whose jitter is always the whole delay."""
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example")
    transport = Transport(
        config, clock=instant_clock, emit=events.append, max_connections=10, rng=lambda: 1.0
    )
    yield transport
    await transport.aclose()


def session_of(transport: Transport) -> aiohttp.ClientSession:
    return transport._sessions.current().session


def sent(service) -> list[Any]:
    return [call for calls in service.requests.values() for call in calls]


async def test_success_takes_one_attempt_and_no_sleep(transport, service, instant_clock, events) -> None:
    service.get(ADDRESS, payload={"id": "v1"})
    assert await transport.call(request(), read_json) == {"id": "v1"}
    assert len(sent(service)) == 1
    assert not instant_clock.slept
    assert [type(event) for event in events] == [RequestStarted, ResponseReceived]


async def test_request_is_sent_as_it_was_built(transport, service) -> None:
    service.post(ADDRESS, payload={})
    built = request("POST", b'{"a":1}')
    await transport.call(built, read_json)
    (call,) = sent(service)
    assert call.kwargs["headers"].items() >= built.headers.items()
    assert call.kwargs["data"] == b'{"a":1}'


async def test_read_gets_status_headers_and_body(transport, service) -> None:
    service.get(ADDRESS, body=b"abc", headers={"x-request-id": "r-1"})
    reply = await transport.call(request(), lambda reply: reply)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.headers["X-Request-ID"]) == (200, b"abc", "r-1")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_transient_status_is_retried(transport, service, instant_clock, status) -> None:
    service.get(ADDRESS, status=status, repeat=2)
    service.get(ADDRESS, payload={"id": "v1"})
    assert await transport.call(request(), read_json) == {"id": "v1"}
    assert instant_clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1", b"\xff"], ids=["empty", "html", "cut", "not text"])
async def test_broken_success_is_retried(transport, service, body) -> None:
    service.get(ADDRESS, body=body)
    service.get(ADDRESS, payload={})
    assert await transport.call(request(), read_json) == {}


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 409, 422, 501])
async def test_definitive_status_is_not_retried(transport, service, instant_clock, status) -> None:
    service.get(
        ADDRESS, status=status, repeat=True, payload={}, headers={"Location": "https://elsewhere.example"}
    )
    with pytest.raises(ApiError) as caught:
        await transport.call(request(), read_json)
    assert caught.value.http_status == status
    assert len(sent(service)) == 1
    assert not instant_clock.slept


async def test_redirect_is_not_followed(transport, service) -> None:
    service.get(ADDRESS, status=302, headers={"Location": "https://elsewhere.example"})
    with pytest.raises(ServerError, match="redirect"):
        await transport.call(request(), read_json)
    assert [url.host for _, url in service.requests] == ["scope.example"]
    assert sent(service)[0].kwargs["allow_redirects"] is False


async def test_last_failure_is_raised(transport, service, instant_clock) -> None:
    service.get(ADDRESS, status=503, repeat=3)
    service.get(ADDRESS, status=500, payload={"code": "c", "message": "the last one"})
    with pytest.raises(ServerError, match="the last one"):
        await transport.call(request(), read_json)
    assert instant_clock.slept == [0.5, 1.0, 2.0]
    assert len(sent(service)) == 4


async def test_definitive_failure_ends_the_retries(transport, service) -> None:
    service.get(ADDRESS, status=503)
    service.get(ADDRESS, status=404, payload={})
    with pytest.raises(NotFoundError):
        await transport.call(request(), read_json)


async def test_max_retries_of_a_call_may_be_zero(transport, service) -> None:
    service.post(ADDRESS, status=503, repeat=True)
    with pytest.raises(ServerError):
        await transport.call(request("POST"), read_json, max_retries=0)
    assert len(sent(service)) == 1


async def test_request_id_is_the_same_over_the_retries(transport, service) -> None:
    service.get(ADDRESS, status=503, repeat=2)
    service.get(ADDRESS, payload={})
    await transport.call(request(), read_json)
    assert len({call.kwargs["headers"]["X-Request-ID"] for call in sent(service)}) == 1


async def test_retry_is_an_event_without_a_secret(transport, service, events) -> None:
    service.get(ADDRESS, status=503, body=SECRET, repeat=2)
    service.get(ADDRESS, payload={})
    built = request()
    await transport.call(built, read_json)
    assert [event for event in events if isinstance(event, RequestRetried)] == [
        RequestRetried(
            operation="get_prompt_version",
            request_id=built.request_id,
            attempt=attempt,
            delay_ms=delay_ms,
            error="ServerError",
            status=503,
        )
        for attempt, delay_ms in ((1, 500.0), (2, 1000.0))
    ]
    assert SECRET not in repr(events)


@pytest.mark.parametrize(("retry_after", "slept"), [("0", 0.0), ("7", 7.0), ("soon", 0.5), ("-3", 0.5)])
async def test_retry_after_in_seconds(transport, service, instant_clock, retry_after, slept) -> None:
    service.get(ADDRESS, status=429, headers={"Retry-After": retry_after})
    service.get(ADDRESS, payload={})
    await transport.call(request(), read_json)
    assert instant_clock.slept == [slept]


async def test_retry_after_as_a_date(transport, service, instant_clock) -> None:
    now = datetime(2001, 2, 3, tzinfo=UTC)  # whatever the local clock says
    headers = {
        "Date": format_datetime(now, usegmt=True),
        "Retry-After": format_datetime(now + timedelta(seconds=9), usegmt=True),
    }
    service.get(ADDRESS, status=503, headers=headers)
    service.get(ADDRESS, payload={})
    await transport.call(request(), read_json)
    assert instant_clock.slept == [9.0]


@pytest.mark.parametrize("retry_after", ["3600", "Fri, 31 Dec 2999 23:59:59 GMT"])
async def test_retry_after_is_capped(service, instant_clock, retry_after) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://a.example", retry_max_delay=12.0)
    transport = Transport(config, clock=instant_clock, emit=lambda _: None, max_connections=1)
    service.get(ADDRESS, status=429, headers={"Retry-After": retry_after})
    service.get(ADDRESS, payload={})
    await transport.call(request(), read_json)
    assert instant_clock.slept == [12.0]
    await transport.aclose()


async def test_retry_beyond_the_deadline_is_not_waited_for(transport, service, instant_clock) -> None:
    service.get(ADDRESS, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(RateLimitError) as caught:  # 30 s capped wait, 30 s timeout
        await transport.call(request(), read_json)
    assert caught.value.retry_after == 3600.0
    assert not instant_clock.slept


async def test_timeout_covers_all_attempts(transport, service, instant_clock, monkeypatch) -> None:
    seconds: list[int] = []

    def at(deadlines: Deadlines, when: float, original=Deadlines.at) -> Deadline:
        seconds.append(round(when - asyncio.get_running_loop().time()))
        return original(deadlines, when)

    monkeypatch.setattr(Deadlines, "at", at)
    service.get(ADDRESS, status=503, headers={"Retry-After": "12"}, repeat=True)
    with pytest.raises(ServerError):
        await transport.call(request(), read_json)
    assert instant_clock.slept == [12.0, 12.0]
    assert seconds == [30, 18, 6]


async def test_timeout_is_not_retried(transport, service, instant_clock) -> None:
    """Also where the timer was early, as uvloop's is, or the clocks disagree about what is left."""
    service.get(ADDRESS, status=503, headers={"Retry-After": "12"})
    service.get(ADDRESS, exception=builtins.TimeoutError())
    with pytest.raises(TimeoutError, match="no answer within 30 s"):
        await transport.call(request(), read_json)
    assert instant_clock.slept == [12.0]


async def test_on_attempt_failed_gets_the_error_of_each_attempt_but_the_last(transport, service) -> None:
    service.get(ADDRESS, status=503)
    service.get(ADDRESS, exception=ConnectionResetError("reset"))
    service.get(ADDRESS, payload={})
    reported: list[ScopeError] = []
    await transport.call(request(), read_json, on_attempt_failed=reported.append)
    assert [type(error) for error in reported] == [ServerError, ConnectionError]


NO_TIME_LEFT = [
    (TimeoutError, "no answer within 30 s", builtins.TimeoutError()),
    (TimeoutError, "no answer", aiohttp.SocketTimeoutError("late")),
]
NETWORK = [
    (TimeoutError, "open_timeout = 10 s", aiohttp.ConnectionTimeoutError("late")),
    (ConnectionError, "refused", aiohttp.ClientConnectorError(CONNECTION, OSError(111, "refused"))),
    (ConnectionError, "cannot reach", aiohttp.ClientConnectorDNSError(CONNECTION, OSError(-2, "unknown"))),
    (ConnectionError, "cannot reach", aiohttp.ClientConnectorSSLError(CONNECTION, ssl.SSLError("bad"))),
    (
        ConnectionError,
        "cannot reach",
        aiohttp.ClientConnectorCertificateError(CONNECTION, ssl.SSLCertVerificationError("expired")),
    ),
    (ConnectionError, "cannot reach", aiohttp.ServerDisconnectedError()),
    (ConnectionError, "reply's headers$", aiohttp.ServerDisconnectedError(Mock(reason=SECRET))),
    (ConnectionError, "cannot reach", aiohttp.ClientOSError(104, "reset")),
    (ConnectionError, "cannot reach", ConnectionResetError("reset")),
    (ConnectionError, "cannot reach", OSError("no route")),
    (ConnectionError, "middle of the reply", aiohttp.ClientPayloadError(f"400, message: {SECRET}")),
    (
        ConnectionError,
        "proxy.*407",
        aiohttp.ClientHttpProxyError(Mock(headers=SECRET), (), status=407, message="who?"),
    ),
]
NO_HTTP = [
    (ServerError, "not HTTP", aiohttp.ClientResponseError(Mock(headers=SECRET), (), status=400)),
    (ServerError, "not HTTP", aiohttp.http_exceptions.BadHttpMessage("garbage")),
    (ServerError, "not HTTP", ValueError(SECRET)),
    (ServerError, "not HTTP", zlib.error("garbage")),
    (ServerError, "URL", aiohttp.InvalidURL("x")),
]
NO_REPLY = [
    (ServerError, "failed in aiohttp, or in a part", RuntimeError(f"of a trace config: {SECRET}")),
    (ServerError, "failed in aiohttp, or in a part", KeyError(SECRET)),
]
FAILURES = [*NO_TIME_LEFT, *NETWORK, *NO_HTTP, *NO_REPLY]


@pytest.mark.parametrize(("kind", "message", "error"), FAILURES, ids=lambda value: type(value).__name__)
async def test_exception_is_mapped(transport, service, kind, message, error) -> None:
    service.get(ADDRESS, exception=error, repeat=True)
    with pytest.raises(ScopeError, match=message) as caught:
        await transport.call(request(), read_json, max_retries=0)
    assert type(caught.value) is kind
    assert SECRET not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("error", [failure for _, _, failure in NETWORK], ids=lambda e: type(e).__name__)
async def test_network_failure_is_retried(transport, service, error) -> None:
    service.get(ADDRESS, exception=error)
    service.get(ADDRESS, payload={})
    assert await transport.call(request(), read_json) == {}


async def test_cancellation_is_raised_as_it_is(transport, service) -> None:
    service.get(ADDRESS, exception=asyncio.CancelledError(), repeat=True)
    with pytest.raises(asyncio.CancelledError):
        await transport.call(request(), read_json)
    assert len(sent(service)) == 1


async def test_retry_wait_can_be_cancelled(transport, service) -> None:
    waiting = asyncio.Event()

    class Forever:
        monotonic = staticmethod(lambda: 0.0)

        async def sleep(self, seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

    transport._clock = Forever()
    service.get(ADDRESS, status=503, repeat=True)
    call = asyncio.create_task(transport.call(request(), read_json))
    await waiting.wait()
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert len(sent(service)) == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(MAX_REPLY_BYTES + 1)}])
async def test_reply_beyond_the_cap_is_a_server_error(transport, service, headers) -> None:
    service.get(ADDRESS, body=b" " * (MAX_REPLY_BYTES + 1), headers={"X-Request-ID": "r-1"} | headers)
    with pytest.raises(ServerError, match="larger than 10485760 bytes") as caught:
        await transport.call(request(), read_json, max_retries=0)
    assert (caught.value.http_status, caught.value.request_id) == (200, "r-1")


async def test_reply_at_the_cap_is_read(transport, service) -> None:
    service.get(ADDRESS, body=b" " * (MAX_REPLY_BYTES - 2) + b"{}")
    assert await transport.call(request(), read_json) == {}


async def test_error_beyond_the_cap_keeps_its_status(transport, service) -> None:
    service.get(ADDRESS, status=404, body=b" " * (MAX_REPLY_BYTES + 1))
    with pytest.raises(ServerError) as caught:
        await transport.call(request(), read_json)
    assert caught.value.http_status == 404


async def test_given_session_is_used_and_never_closed(service, instant_clock) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example")
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        transport = Transport(
            config, clock=instant_clock, emit=lambda _: None, session=session, max_connections=1
        )
        service.get(ADDRESS, payload={})
        await transport.call(request(), read_json)
        assert transport._sessions.current().session is session
        await transport.aclose()
        assert not session.closed
        with pytest.raises(ClientClosedError):
            await transport.call(request(), read_json)


async def test_given_session_does_not_change_how_replies_are_read(service, instant_clock) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example")
    async with aiohttp.ClientSession(raise_for_status=True, auto_decompress=False) as session:
        transport = Transport(
            config, clock=instant_clock, emit=lambda _: None, session=session, max_connections=1
        )
        service.get(ADDRESS, status=404, payload={"code": "prompt_not_found", "message": "none"})
        with pytest.raises(NotFoundError):
            await transport.call(request(), read_json)
        assert sent(service)[0].kwargs["auto_decompress"] is True


async def test_given_session_that_is_closed_is_a_client_closed_error(instant_clock) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example")
    session = aiohttp.ClientSession()
    await session.close()
    transport = Transport(
        config, clock=instant_clock, emit=lambda _: None, session=session, max_connections=1
    )
    with pytest.raises(ClientClosedError, match="passed in is closed"):
        await transport.call(request(), read_json)


async def test_call_after_aclose_fails_until_open(transport, service) -> None:
    service.get(ADDRESS, payload={}, repeat=True)
    await transport.call(request(), read_json)
    first = transport._sessions.current().session
    await transport.aclose()
    await transport.aclose()
    assert first.closed
    with pytest.raises(ClientClosedError):
        await transport.call(request(), read_json)
    transport.open()
    await transport.call(request(), read_json)
    assert transport._sessions.current().session is not first


async def test_aclose_during_a_call_ends_it_with_client_closed(transport, service) -> None:
    async def closed_meanwhile(*_: object, **__: object) -> None:
        await transport.aclose()
        raise aiohttp.ClientConnectionError("Connector is closed.")

    service.get(ADDRESS, callback=closed_meanwhile, repeat=True)
    with pytest.raises(ClientClosedError, match="during the call"):
        await transport.call(request(), read_json)
    assert len(sent(service)) == 1


async def test_aclose_during_a_retry_wait_ends_the_call(transport, service, instant_clock) -> None:
    async def close_and_sleep(seconds: float) -> None:
        await transport.aclose()

    instant_clock.sleep = close_and_sleep
    service.get(ADDRESS, status=503, repeat=True)
    with pytest.raises(ClientClosedError):
        await transport.call(request(), read_json)
    assert len(sent(service)) == 1


async def test_aclose_wakes_a_call_that_waits_before_a_retry(service) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example")
    transport = Transport(config, clock=FakeClock(ticking=False), max_connections=1)
    service.get(ADDRESS, status=503, repeat=True, headers={"Retry-After": "20"})
    call = asyncio.ensure_future(transport.call(request(), read_json))
    await settle()
    assert not call.done()
    await transport.aclose()
    with pytest.raises(ClientClosedError):
        await asyncio.wait_for(call, 5)
    assert len(sent(service)) == 1


async def test_session_is_shared_and_keeps_no_cookies(transport, service) -> None:
    service.get(ADDRESS, payload={}, repeat=True, headers={"Set-Cookie": "tenant=other"})
    await transport.call(request(), read_json)
    session = transport._sessions.current().session
    await asyncio.gather(*(transport.call(request(), read_json) for _ in range(20)))
    assert transport._sessions.current().session is session
    assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)


def test_session_is_opened_for_each_event_loop(service, instant_clock, new_loop) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example")
    transport = Transport(config, clock=instant_clock, emit=lambda _: None, max_connections=1)
    service.get(ADDRESS, payload={}, repeat=True)

    async def use() -> aiohttp.ClientSession:
        transport.open()
        await transport.call(request(), read_json)
        session = transport._sessions.current().session
        await transport.aclose()
        return session

    sessions = []
    for _ in range(2):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            sessions.append(runner.run(use()))
    assert sessions[0] is not sessions[1]
    assert all(session.closed for session in sessions)


async def test_proxy_is_given_to_each_request(transport, service, monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    service.get(ADDRESS, payload={})
    await transport.call(request(), read_json)
    assert sent(service)[0].kwargs["proxy"] == URL("http://proxy.example:3128")


async def test_netrc_is_not_read(transport, service) -> None:
    service.get(ADDRESS, payload={})
    await transport.call(request(), read_json)
    assert transport._sessions.current().session.trust_env is False


async def test_error_has_no_frame_that_holds_the_request(transport) -> None:
    config = Config(base_url="http://127.0.0.1:1", auth_api_url="http://127.0.0.1:1")
    direct = Transport(config, clock=transport._clock, max_connections=1)
    sent = msgspec.structs.replace(
        request("POST", f'{{"client_secret": "{SECRET}"}}'.encode()), url=URL("http://127.0.0.1:1/x")
    )
    try:
        with pytest.raises(ConnectionError) as caught:
            await direct.call(sent, read_json, max_retries=0)
    finally:
        await direct.aclose()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_timeout_covers_the_wait_for_a_connection(service) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example", timeout=0.05)
    transport = Transport(config, clock=FakeClock(), max_connections=1)
    assert transport._sessions.current().semaphore.acquire_nowait()
    with pytest.raises(TimeoutError, match=r"no free connection within 0\.05 s"):
        await transport.call(request(), read_json)
    await transport.aclose()


class NeverComes:
    """A bearer that has no token, or none after the first, and says why after the time it was given."""

    def __init__(self, first: str | None) -> None:
        self._first = first

    def peek(self) -> Mock | None:
        return None if self._first is None else Mock(authorization=self._first)

    async def get_within(self, seconds: float, /, _: object = None) -> Mock:
        await asyncio.sleep(seconds)
        raise TokenRefreshError("the auth API is down", http_status=503)

    async def replacement(self, _: object, seconds: float, /) -> Mock:
        return await self.get_within(seconds)


@pytest.mark.parametrize("first", [None, "Bearer refused"])
async def test_timeout_covers_the_wait_for_a_token_and_the_error_says_why_there_is_none(
    service, first
) -> None:
    config = Config(base_url="https://scope.example", auth_api_url="https://auth.example", timeout=0.05)
    transport = Transport(config, clock=FakeClock(), max_connections=1)
    service.get(ADDRESS, status=401, repeat=True)
    with pytest.raises(TokenRefreshError, match="the auth API is down"):
        await transport.call(request(), read_json, token_provider=NeverComes(first))
    assert transport._sessions.current().semaphore.acquire_nowait(), "the permit was released"
    await transport.aclose()
