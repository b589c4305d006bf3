"""What reading a valid token costs with other packages, each by the accessor that it documents.

No two do the same, so each figure says what else the accessor does. What is not installed
(`pip install 'scope-async[bench]'` has them) is not reported.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from benchmarks.interleaved import Figure, Measure, Spread, take_turns
from benchmarks.prompt_server import CREDENTIALS, server_process
from scope_async import TokenSource

READS = 2_000
OURS = "scope_async"
VALUE = "a-token"
LIFETIME = 86_400


@asynccontextmanager
async def scope_async(url: str) -> AsyncIterator[Measure]:
    async with TokenSource(CREDENTIALS, base_url=url, auth_api_url=url) as tokens:
        await tokens.get()

        async def read() -> str:
            return (await tokens.get()).authorization

        yield awaited(read)


@asynccontextmanager
async def gcloud_aio_auth(url: str) -> AsyncIterator[Measure]:
    auth = importlib.import_module("gcloud.aio.auth")
    user = {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": url,
    }
    async with auth.Token(service_file=io.StringIO(json.dumps(user))) as token:
        await token.get()
        yield awaited(token.get)


@asynccontextmanager
async def azure_core(_: str) -> AsyncIterator[Measure]:
    policies = importlib.import_module("azure.core.pipeline.policies")
    pipeline = importlib.import_module("azure.core.pipeline")
    rest = importlib.import_module("azure.core.rest")
    granted = importlib.import_module("azure.core.credentials").AccessToken(
        VALUE, int(time.time()) + LIFETIME
    )

    async def get_token(*_: object, **__: object) -> object:
        return granted

    policy = policies.AsyncBearerTokenCredentialPolicy(SimpleNamespace(get_token=get_token), "scope")
    request = pipeline.PipelineRequest(
        rest.HttpRequest("GET", "https://scope.test/"), pipeline.PipelineContext(None)
    )
    yield awaited(lambda: policy.on_request(request))


@asynccontextmanager
async def aiobotocore(_: str) -> AsyncIterator[Measure]:
    credentials = importlib.import_module("aiobotocore.credentials").AioRefreshableCredentials(
        "access", "secret", VALUE, datetime.now(UTC) + timedelta(seconds=LIFETIME), None, "bench"
    )
    yield awaited(credentials.get_frozen_credentials)


@asynccontextmanager
async def authlib(url: str) -> AsyncIterator[Measure]:
    integration = importlib.import_module("authlib.integrations.httpx_client")
    token = {"access_token": VALUE, "token_type": "Bearer", "expires_at": int(time.time()) + LIFETIME}
    async with integration.AsyncOAuth2Client("client", "secret", token=token, token_endpoint=url) as client:
        yield awaited(lambda: client.ensure_active_token(client.token))


@asynccontextmanager
async def google_auth(_: str) -> AsyncIterator[Measure]:
    module = importlib.import_module("google.oauth2.credentials")
    # Its expiry is UTC without a zone.
    expiry = (datetime.now(UTC) + timedelta(seconds=LIFETIME)).replace(tzinfo=None)
    credentials = module.Credentials(VALUE, expiry=expiry)

    def read() -> None:
        credentials.before_request(None, "GET", "https://scope.test/", {})

    yield called(read)


PEERS = {
    "gcloud-aio-auth": (gcloud_aio_auth, "await Token.get(): compares whole seconds of the wall clock"),
    "azure-core": (
        azure_core,
        "await AsyncBearerTokenCredentialPolicy.on_request(): also insists on https and writes the header",
    ),
    "aiobotocore": (
        aiobotocore,
        "await AioRefreshableCredentials.get_frozen_credentials(): also reads the zone's time, makes a tuple",
    ),
    "authlib": (
        authlib,
        "await AsyncOAuth2Client.ensure_active_token(): also takes a lock, which lets the loop turn",
    ),
    "google-auth": (
        google_auth,
        "Credentials.before_request(), not async: also writes the headers, one for metrics among them",
    ),
}


def awaited(read: Callable[[], Awaitable[object]]) -> Measure:
    """Return a measure of the nanoseconds of CPU time of one awaited read."""

    async def measure() -> float:
        started = time.thread_time_ns()
        for _ in range(READS):
            await read()
        return (time.thread_time_ns() - started) / READS

    return measure


def called(read: Callable[[], object]) -> Measure:
    """Return the same for a plain function."""

    async def measure() -> float:
        started = time.thread_time_ns()
        for _ in range(READS):
            read()
        await asyncio.sleep(0)
        return (time.thread_time_ns() - started) / READS

    return measure


async def figures(*, rounds: int) -> list[Figure]:
    """Return how long our read takes next to that of each peer that is installed."""
    measures: dict[str, Measure] = {}
    with server_process() as url:
        async with AsyncExitStack() as stack:
            measures[OURS] = await stack.enter_async_context(scope_async(url))
            for name, (peer, _) in PEERS.items():
                try:
                    measures[name] = await stack.enter_async_context(peer(url))
                except ModuleNotFoundError:
                    print(f"     {name} is not installed")
            taken = await take_turns(measures, rounds)
    ours = Spread.of(taken[OURS])
    return [
        Figure.told("await TokenSource.get() and .authorization, a valid token", ours, "ns", digits=0),
        *(
            Figure.told(
                f"the same, next to {name}",
                Spread.of_ratios(taken[OURS], values),
                "x its time",
                digits=3,
                detail=f"{Spread.of(values).show(0)} ns; {PEERS[name][1]}",
            )
            for name, values in taken.items()
            if name != OURS
        ),
    ]
