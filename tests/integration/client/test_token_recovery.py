"""Failures of the auth API and of the credential provider that pass fail no caller."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scope_async import (
    ApiKeyCredentials,
    ConfigurationError,
    FileCredentials,
    InvalidCredentialsError,
    ScopeClient,
    TokenRefreshError,
    TokenSource,
)
from scope_async._core.clock import FakeClock
from scope_async.auth.exchange import ExchangeResponse
from scope_async.local import LocalScope
from tests.fakes.raw_server import RawConnection, raw_server, response

CREDENTIALS = ApiKeyCredentials("org", "key", "secret_of_the_key")
FIREWALL = "<html><head><title>403</title></head><body><h1>Access denied</h1> by the firewall</body></html>"


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as scope:
        await scope.add_prompt("greeting", "Hello!")
        yield scope


def client_of(local: LocalScope, **options: Any) -> ScopeClient:
    credentials = options.pop("credentials", local.credentials)
    options = {"retry_base_delay": 0.05, "base_url": local.url, "auth_api_url": local.url, **options}
    return ScopeClient(credentials, **options)


class AuthApi:
    """An auth API that answers by a script: one function per exchange, and the last one from then on."""

    def __init__(self, *answers: Callable[[], web.StreamResponse | None], lifetime: float = 3600) -> None:
        self.answers = list(answers)
        self.lifetime = lifetime
        self.requests: list[web.Request] = []
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.asked.append((await request.json())["client_id"])
        reply = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()
        if reply is not None:
            return reply
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    @asynccontextmanager
    async def tokens(self, **options: Any) -> AsyncIterator[TokenSource]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self.answer)
        async with TestServer(app) as server:
            url = str(server.make_url("")).rstrip("/")
            options = {"retry_base_delay": 0.05, **options}
            credentials = options.pop("credentials", CREDENTIALS)
            async with TokenSource(credentials, base_url=url, auth_api_url=url, **options) as tokens:
                yield tokens


def granted(**body: Any) -> Callable[[], web.Response]:
    return lambda: web.json_response({"access_token": "a-token", "expires_in": 3600, **body})


def answered(status: int, text: str = FIREWALL, **headers: str) -> Callable[[], web.Response]:
    kind = "text/html" if text.startswith("<") else "application/json"
    return lambda: web.Response(status=status, text=text, content_type=kind, headers=headers)


def cut() -> None:
    return None


@pytest.mark.parametrize(
    "fault",
    [
        *(
            lambda faults, status=status: faults.status("exchange", status, times=1)
            for status in (500, 502, 503)
        ),
        lambda faults: faults.status("exchange", 429, retry_after=0.1, times=1),
        lambda faults: faults.reset("exchange", times=1),
        lambda faults: faults.drop("exchange", "before", times=1),
        lambda faults: faults.drop("exchange", "middle", times=1),
        lambda faults: faults.malformed("exchange", "html", times=1),
        lambda faults: faults.malformed("exchange", "truncated", times=1),
        lambda faults: faults.malformed("exchange", "missing", times=1),
    ],
)
async def test_cold_start_with_one_failed_exchange_fails_no_call(local: LocalScope, fault) -> None:
    fault(local.faults)
    async with client_of(local) as scope:
        await asyncio.gather(
            scope.prefetch(["greeting"]), *(scope.render_prompt("greeting") for _ in range(100))
        )
        assert scope.tokens.status().exchanges <= 3


@pytest.mark.parametrize(
    "fault", [lambda faults: faults.status("exchange", 503), lambda faults: faults.reset("exchange")]
)
async def test_outage_of_the_auth_api_fails_no_call_that_has_time_left(local: LocalScope, fault) -> None:
    outage = fault(local.faults)
    async with client_of(local, max_retries=1, timeout=4.0) as scope:
        waiting = [asyncio.ensure_future(scope.render_prompt("greeting")) for _ in range(20)]
        impatient = asyncio.ensure_future(scope.tokens.get_within(0.3))
        await asyncio.sleep(1.0)
        assert isinstance(impatient.exception(), TokenRefreshError)
        assert not any(call.done() for call in waiting)
        outage.remove()
        assert set(await asyncio.gather(*waiting)) == {"Hello!"}
        assert 3 < scope.tokens.status().exchanges < 30


async def test_fallback_stands_in_after_as_many_failed_exchanges_as_a_request_has_attempts(
    local: LocalScope,
) -> None:
    local.faults.status("exchange", 503)
    async with client_of(local, retry_base_delay=0.01) as scope:
        version = await scope.get_prompt_version("greeting", fallback="Hi!")
        assert version.is_fallback
        assert 4 <= scope.tokens.status().exchanges <= 6


async def test_call_whose_time_is_over_is_told_what_the_auth_api_answered(local: LocalScope) -> None:
    local.faults.status("exchange", 503)
    async with client_of(local, timeout=0.6) as scope:
        with pytest.raises(TokenRefreshError, match="no valid token: ") as failed:
            await scope.get_prompt_version("greeting")
        assert failed.value.http_status == 503


@pytest.mark.parametrize("answer", [cut, *(answered(status) for status in (400, 403, 408, 422, 500, 503))])
async def test_exchange_is_retried_for_those_who_wait(answer) -> None:
    auth = AuthApi(answer, answer, granted())
    async with auth.tokens() as tokens:
        assert await tokens.get()
    assert len(auth.requests) == 3


async def test_exchange_is_sent_again_on_a_new_connection_when_a_kept_alive_one_was_closed() -> None:
    auth = AuthApi(granted(), cut, granted())
    async with auth.tokens() as tokens:
        tokens.invalidate(await tokens.get())
        assert (await tokens.get()).generation == 2
    assert len(auth.requests) == 3


async def test_exchange_that_is_never_answered_leaves_time_for_another(local: LocalScope) -> None:
    local.faults.hang("exchange", times=1)
    async with client_of(local, timeout=2.0) as scope:
        assert await scope.render_prompt("greeting") == "Hello!"


async def test_exchange_that_takes_most_of_the_timeout_succeeds(local: LocalScope) -> None:
    local.faults.latency("exchange", 0.6)  # longer than the third of the time that the first attempt has
    async with TokenSource(
        local.credentials, base_url=local.url, auth_api_url=local.url, timeout=1.5
    ) as tokens:
        assert await tokens.get()


async def test_renewal_that_is_never_answered_leaves_the_token_time_for_another(local: LocalScope) -> None:
    local.faults.expires_in(6.0)
    async with client_of(local, token_refresh_buffer=5) as scope:
        first = await scope.tokens.get()
        local.faults.hang("exchange", times=1)
        while scope.tokens.status().generation == 1:
            assert scope.tokens.peek(), "the token was used up"
            await asyncio.sleep(0.02)
        assert first.expires_in() > 0


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_answer_of_a_firewall_is_no_refusal_and_its_text_is_shown(status: int) -> None:
    async with AuthApi(answered(status)).tokens(max_retries=0) as tokens:
        with pytest.raises(TokenRefreshError, match="Access denied by the firewall") as failed:
            await tokens.get()
        assert failed.value.http_status == status
        assert tokens.status().state == "empty"


@pytest.mark.parametrize(
    ("status", "text"), [(401, FIREWALL), (401, ""), (403, '{"code": "disabled", "message": "disabled"}')]
)
async def test_refusal_is_definite(status: int, text: str) -> None:
    async with AuthApi(answered(status, text)).tokens() as tokens:
        with pytest.raises(InvalidCredentialsError):
            await tokens.get()
        assert tokens.status().state == "refused"
        assert tokens.status().exchanges == 1


async def test_secret_in_the_text_of_a_firewall_does_not_leak() -> None:
    answer = answered(403, f"<p>you sent {CREDENTIALS.api_secret}</p>")
    async with AuthApi(answer).tokens(max_retries=0) as tokens:
        with pytest.raises(TokenRefreshError) as failed:
            await tokens.get()
    assert CREDENTIALS.api_secret not in f"{failed.value} {failed.value.http_body}"


async def test_retry_after_that_callers_cannot_wait_for_is_not_retried() -> None:
    auth = AuthApi(answered(503, "", **{"Retry-After": "40"}))
    async with auth.tokens(timeout=2.0) as tokens:
        with pytest.raises(TokenRefreshError) as failed:
            await tokens.get()
    assert len(auth.requests) == 1
    assert failed.value.retry_after


async def test_provider_that_hangs_after_the_first_load_stops_nothing(local: LocalScope) -> None:
    hanging = asyncio.Event()

    async def provider() -> ApiKeyCredentials:
        if hanging.is_set():
            await asyncio.get_running_loop().create_future()
        return local.credentials

    async with client_of(local, credentials=provider, timeout=1.0) as scope:
        token = await scope.tokens.get()
        hanging.set()
        for _ in range(3):
            scope.tokens.invalidate(token)
            token = await scope.tokens.get()
        assert token.generation == 4
        assert scope.tokens.status().failures == 0


async def test_provider_that_is_slow_the_first_time_may_take_what_the_callers_have(local: LocalScope) -> None:
    async def provider() -> ApiKeyCredentials:
        await asyncio.sleep(0.7)
        return local.credentials

    async with client_of(local, credentials=provider, timeout=1.0) as scope:
        assert await scope.tokens.get()


async def test_provider_that_is_slow_later_is_asked_once_and_its_answer_used(local: LocalScope) -> None:
    new = await local.create_key("new")
    current, calls = [local.credentials], 0

    async def provider() -> ApiKeyCredentials:
        nonlocal calls
        calls += 1
        if calls > 1:
            await asyncio.sleep(0.6)
        return current[0]

    async with client_of(local, credentials=provider, timeout=1.0) as scope:
        token = await scope.tokens.get()
        current[0] = new
        for _ in range(2):
            scope.tokens.invalidate(token)
            token = await scope.tokens.get()
        assert (token.api_key, calls) == (local.credentials.api_key, 2)
        await asyncio.sleep(0.7)
        scope.tokens.invalidate(token)
        assert (await scope.tokens.get()).api_key == new.api_key


async def test_provider_of_the_wrong_type_is_not_hidden_by_a_fallback(local: LocalScope) -> None:
    async def provider() -> Any:
        return {"api_key": "key"}

    async with client_of(local, credentials=provider) as scope:
        with pytest.raises(ConfigurationError, match="ApiKeyCredentials, got dict"):
            await scope.get_prompt_version("greeting", fallback="Hi!")
        assert not scope.status().ready


async def test_fallback_stands_in_for_a_passing_refusal_only(local: LocalScope) -> None:
    wrong = ApiKeyCredentials(local.org_id, local.credentials.api_key, "secret_wrong_wrong_wrong")
    async with client_of(local, credentials=wrong) as scope:
        with pytest.raises(InvalidCredentialsError):
            await scope.get_prompt_version("greeting", fallback="Hi!")
    local.faults.status("exchange", 403, headers={"Content-Type": "text/html"})
    async with AuthApi(answered(403)).tokens(max_retries=0) as tokens:
        exchange = tokens._acquire._exchange
        async with client_of(local, exchange=exchange, max_retries=0) as scope:
            assert (await scope.get_prompt_version("greeting", fallback="Hi!")).is_fallback


@pytest.mark.parametrize("refused_for", [20.0, 70.0, 215.0])
async def test_new_credentials_are_in_use_within_seconds_however_long_the_old_ones_were_refused(
    local: LocalScope, tmp_path: Path, refused_for: float
) -> None:
    clock, file = FakeClock(), tmp_path / "scope.env"
    write_env(file, ApiKeyCredentials(local.org_id, "key_old", "secret_old_old_old"))
    async with client_of(local, credentials=FileCredentials(file), clock=clock) as scope:
        with pytest.raises(InvalidCredentialsError):
            await scope.tokens.get()
        await travel(clock, refused_for, step=1.0)
        probes = scope.tokens.status().exchanges
        assert probes <= 2 + refused_for / 100
        # Half-written first: that costs an exchange, and no time.
        new = local.credentials
        write_env(file, ApiKeyCredentials(new.org_id, new.api_key, new.api_secret[:12]))
        await travel(clock, 4.0, step=0.25)
        write_env(file, new)
        await travel(clock, 4.5, step=0.25)
        assert scope.tokens.peek()
        assert scope.tokens.status().exchanges <= probes + 3


async def test_refresh_renews_the_token_once_for_all_callers(local: LocalScope) -> None:
    new = await local.create_key("new")
    current = [local.credentials]

    async def provider() -> ApiKeyCredentials:
        return current[0]

    async with client_of(local, credentials=provider) as scope:
        old = await scope.tokens.get()
        current[0] = new
        tokens = await asyncio.gather(*(scope.tokens.refresh() for _ in range(100)))
        assert {token.api_key for token in tokens} == {new.api_key}
        assert (old.generation, scope.tokens.status().exchanges) == (1, 2)


LATE = jwt.encode({"iat": 1000, "exp": 1000}, "a key of thirty-two bytes or more!", algorithm="HS256")


@pytest.mark.parametrize(
    "replayed",
    [
        lambda: web.json_response({"access_token": "old", "expires_in": 60}, headers={"Age": "90"}),
        granted(expires_in=0),
        granted(expires_in="-5"),
        granted(access_token=LATE),
    ],
)
async def test_token_that_expired_on_the_way_is_asked_for_again_past_the_caches(replayed) -> None:
    auth = AuthApi(replayed, granted(access_token="new"))
    async with auth.tokens() as tokens:
        assert (await tokens.get()).value == "new"
        assert tokens.status().exchanges == 1
    first, second = (request.headers.get("Cache-Control") for request in auth.requests)
    assert (first, second) == (None, "no-store")


async def test_token_that_is_said_to_have_expired_twice_is_used_until_a_401() -> None:
    auth = AuthApi(granted(expires_in=0))
    async with auth.tokens() as tokens:
        assert (await tokens.get()).value == "a-token"
        assert tokens.peek()
    assert len(auth.requests) == 2


async def test_age_of_a_replayed_reply_shortens_the_life_of_its_token() -> None:
    auth = AuthApi(
        lambda: web.json_response({"access_token": "t", "expires_in": "60"}, headers={"Age": "40"})
    )
    async with auth.tokens() as tokens:
        assert 19 < (await tokens.get()).expires_in() <= 20


def write_env(file: Path, credentials: ApiKeyCredentials) -> None:
    pairs = {
        "SCOPE_ORG_ID": credentials.org_id,
        "SCOPE_API_KEY": credentials.api_key,
        "SCOPE_API_SECRET": credentials.api_secret,
    }
    file.write_text("".join(f"{name}={json.dumps(value)}\n" for name, value in pairs.items()))


async def travel(clock: FakeClock, seconds: float, *, step: float) -> None:
    """Let `seconds` pass by the clock, with a little real time for files and sockets in each step."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        await asyncio.sleep(0.004)
    await asyncio.sleep(0.1)


async def test_no_copy_is_served_to_another_organization_of_the_provider() -> None:
    organizations = ["org_1", "org_1", "org_2"]

    async def provider() -> ApiKeyCredentials:
        return ApiKeyCredentials(organizations.pop(0), "key_1", "secret_1")

    async def exchange(credentials: ApiKeyCredentials, *, rejected: object = None) -> ExchangeResponse:
        return ExchangeResponse(f"token-of-{credentials.org_id}", 3600)

    async def handle(connection: RawConnection) -> None:
        while request := await connection.request():
            (owner,) = re.findall(r"token-of-(\w+)", request.decode())
            version = {"version_id": owner, "version": 1, "content": "text", "status": "published"}
            await connection.send(response(version))

    async with (
        raw_server(handle) as server,
        ScopeClient(
            provider, exchange=exchange, base_url=server.url, auth_api_url=server.url, cache_ttl=3600
        ) as scope,
    ):
        for owner in ("org_1", "org_1", "org_2"):
            assert (await scope.get_prompt_version("greeting")).id == owner
            if organizations:
                await scope.tokens.refresh()
    assert organizations == []
