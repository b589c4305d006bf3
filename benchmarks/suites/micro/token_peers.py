"""Reading a valid token with other packages, each by the accessor that it documents.

Each accessor does more or less than ours, and its note says what. Packages that are not installed
(`pip install 'scope-async[bench]'`) are left out.
"""

from __future__ import annotations

import importlib
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from warnings import catch_warnings

from benchmarks.harness.case import Case, Timer, timed_awaits, timed_calls
from benchmarks.harness.stub_server import CREDENTIALS
from scope_async import TokenSource

VALUE = "a-token"
LIFETIME = 86_400


@asynccontextmanager
async def scope_async(url: str) -> AsyncIterator[Timer]:
    async with TokenSource(CREDENTIALS, base_url=url, auth_api_url=url) as tokens:
        await tokens.get()

        async def read() -> str:
            return (await tokens.get()).authorization

        yield timed_awaits(read)


@asynccontextmanager
async def gcloud_aio_auth(url: str) -> AsyncIterator[Timer]:
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
        yield timed_awaits(token.get)


@asynccontextmanager
async def azure_core(_: str) -> AsyncIterator[Timer]:
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
    yield timed_awaits(lambda: policy.on_request(request))


@asynccontextmanager
async def aiobotocore(_: str) -> AsyncIterator[Timer]:
    credentials = importlib.import_module("aiobotocore.credentials").AioRefreshableCredentials(
        "access", "secret", VALUE, datetime.now(UTC) + timedelta(seconds=LIFETIME), None, "bench"
    )
    yield timed_awaits(credentials.get_frozen_credentials)


@asynccontextmanager
async def authlib(url: str) -> AsyncIterator[Timer]:
    with catch_warnings(record=True):  # that httpx has a successor
        integration = importlib.import_module("authlib.integrations.httpx_client")
    token = {"access_token": VALUE, "token_type": "Bearer", "expires_at": int(time.time()) + LIFETIME}
    async with integration.AsyncOAuth2Client("client", "secret", token=token, token_endpoint=url) as client:
        yield timed_awaits(lambda: client.ensure_active_token(client.token))


@asynccontextmanager
async def google_auth(_: str) -> AsyncIterator[Timer]:
    module = importlib.import_module("google.oauth2.credentials")
    # Its expiry is UTC without a zone.
    expiry = (datetime.now(UTC) + timedelta(seconds=LIFETIME)).replace(tzinfo=None)
    credentials = module.Credentials(VALUE, expiry=expiry)

    def read() -> None:
        credentials.before_request(None, "GET", "https://scope.test/", {})

    yield timed_calls(read)


OURS = "await get() and .authorization"

CASES = {
    OURS: Case(scope_async),
    "gcloud-aio-auth": Case(gcloud_aio_auth, "gcloud.aio.auth"),
    "azure-core": Case(azure_core, "azure.core"),
    "aiobotocore": Case(aiobotocore, "aiobotocore"),
    "authlib": Case(authlib, "authlib"),
    "google-auth": Case(google_auth, "google.oauth2"),
}

NOTES = {
    "gcloud-aio-auth": "await Token.get(): makes a datetime of the wall clock, compares whole seconds",
    "azure-core": "await AsyncBearerTokenCredentialPolicy.on_request(): "
    "also reads the wall clock, insists on https and writes the header",
    "aiobotocore": "await AioRefreshableCredentials.get_frozen_credentials(): "
    "also reads the time in the machine's zone",
    "authlib": "await AsyncOAuth2Client.ensure_active_token(): also takes a lock, which lets the loop turn",
    "google-auth": "Credentials.before_request(), not async: "
    "also parses the URL, looks for a regional boundary, and writes the headers, one for metrics among them",
}
