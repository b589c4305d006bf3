"""The contract of every Scope (1.1 to 1.4), checked against Local Scope or a Scope of your choice.

Another Scope is asked when these are set: SCOPE_CONTRACT_URL (and SCOPE_CONTRACT_AUTH_URL where
the auth API is elsewhere), SCOPE_CONTRACT_ORG_ID, SCOPE_CONTRACT_API_KEY,
SCOPE_CONTRACT_API_SECRET, and SCOPE_CONTRACT_PROMPT, the name of a text prompt that has a
production version. Nothing is written to it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import aiohttp
import attrs
import pytest

from scope_async import (
    ApiKeyCredentials,
    InvalidCredentialsError,
    NoProductionVersionError,
    NotFoundError,
    ScopeClient,
    TokenSource,
)
from scope_async.local import LocalScope

VARIABLES = {
    name: os.environ.get(f"SCOPE_CONTRACT_{name}")
    for name in ("URL", "AUTH_URL", "ORG_ID", "API_KEY", "API_SECRET", "PROMPT")
}
NEEDED = [name for name in VARIABLES if name != "AUTH_URL"]
UNKNOWN = "scope-async-contract-unknown"


@attrs.frozen
class Scope:
    url: str
    auth_url: str
    credentials: ApiKeyCredentials
    prompt: str

    def client(self, credentials: ApiKeyCredentials | None = None) -> ScopeClient:
        return ScopeClient(credentials or self.credentials, base_url=self.url, auth_api_url=self.auth_url)

    @property
    def api(self) -> str:
        return self.url if self.url.endswith("/api/v1") else f"{self.url}/api/v1"


@pytest.fixture(params=["local", "yours"] if VARIABLES["URL"] else ["local"])
async def scope(request: pytest.FixtureRequest) -> AsyncIterator[Scope]:
    if request.param == "local":
        async with LocalScope() as local:
            await local.add_prompt("greeting", "Hello, {{name}}!", metadata={"team": "docs"}, tags=("a",))
            yield Scope(local.url, local.url, local.credentials, "greeting")
        return
    missing = [f"SCOPE_CONTRACT_{name}" for name in NEEDED if not VARIABLES[name]]
    if missing:
        pytest.fail(f"set {', '.join(missing)} too", pytrace=False)
    values = {name: value or "" for name, value in VARIABLES.items()}
    yield Scope(
        values["URL"].rstrip("/"),
        (values["AUTH_URL"] or values["URL"]).rstrip("/"),
        ApiKeyCredentials(values["ORG_ID"], values["API_KEY"], values["API_SECRET"]),
        values["PROMPT"],
    )


async def test_credentials_are_exchanged_for_a_token_in_some_dialect(scope: Scope) -> None:
    async with TokenSource(scope.credentials, base_url=scope.url, auth_api_url=scope.auth_url) as tokens:
        token = await tokens.get()
    assert token.expires_in() > 0
    assert token.value


async def test_wrong_secret_is_refused(scope: Scope) -> None:
    wrong = attrs.evolve(scope.credentials, api_secret="secret_that_is_wrong")
    async with scope.client(wrong) as client:
        with pytest.raises(InvalidCredentialsError):
            await client.get_prompt_version(scope.prompt)


async def test_production_version_has_every_field(scope: Scope) -> None:
    async with scope.client() as client:
        version = await client.get_prompt_version(scope.prompt)
    assert version.id
    assert version.version_number >= 1
    assert version.is_production
    assert version.is_published
    assert version.type in ("text", "chat")
    assert version.created_at is None or version.created_at.tzinfo is not None


async def test_latest_is_not_older_than_production(scope: Scope) -> None:
    async with scope.client() as client:
        production = await client.get_prompt_version(scope.prompt)
        latest = await client.get_prompt_version(scope.prompt, label="latest")
    assert latest.version_number >= production.version_number


async def test_version_id_returns_the_same_content(scope: Scope) -> None:
    async with scope.client() as client:
        production = await client.get_prompt_version(scope.prompt)
        same = await client.get_prompt_version(scope.prompt, version=production.id)
    assert (same.id, same.content) == (production.id, production.content)


async def test_prompt_id_is_accepted_as_a_name(scope: Scope) -> None:
    async with scope.client() as client:
        by_name = await client.get_prompt_version(scope.prompt)
        by_id = await client.get_prompt_version(by_name.prompt_id)
    assert by_id.id == by_name.id


async def test_missing_prompt_or_version_is_404(scope: Scope) -> None:
    async with scope.client() as client:
        with pytest.raises(NoProductionVersionError):
            await client.get_prompt_version(UNKNOWN)
        with pytest.raises(NotFoundError):
            await client.get_prompt_version(UNKNOWN, label="latest")
        with pytest.raises(NotFoundError):
            await client.get_prompt_version(scope.prompt, version="scope-async-contract-unknown")


@pytest.mark.parametrize("name", ["a/b", "a?x=1", "..%2f", "grüße"])
async def test_prompt_name_with_special_characters_is_one_segment(scope: Scope, name: str) -> None:
    async with scope.client() as client:
        with pytest.raises(NotFoundError):
            await client.get_prompt_version(f"{UNKNOWN}-{name}")


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic bm9ib2R5"])
async def test_invalid_token_is_401(scope: Scope, header: str | None) -> None:
    headers = {"X-Request-ID": "scope-async-contract"} | ({"Authorization": header} if header else {})
    address = f"{scope.api}/prompts/{scope.prompt}/production"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as response:
        assert response.status == 401
        assert response.headers.get("X-Request-ID")
