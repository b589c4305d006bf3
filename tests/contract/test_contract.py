"""The contract of every Scope (1.1 to 1.4) where nothing is written; see conftest.py."""

from __future__ import annotations

import aiohttp
import pytest

from scope_async import InvalidCredentialsError, NoProductionVersionError, NotFoundError, TokenSource
from tests.contract.conftest import Scope

UNKNOWN = "scope-async-contract-unknown"


async def test_credentials_are_exchanged_for_a_token_in_some_dialect(scope: Scope) -> None:
    async with TokenSource(scope.credentials, base_url=scope.url, auth_api_url=scope.auth_url) as tokens:
        token = await tokens.get()
    assert token.expires_in() > 0
    assert token.value


async def test_wrong_secret_is_refused(scope: Scope) -> None:
    wrong = scope.credentials.__replace__(api_secret="secret_that_is_wrong")
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
