from __future__ import annotations

import pytest

from scope_async.auth.middleware import SourceTokenProvider
from scope_async.credentials import ApiKeyCredentials
from tests.fakes.exchange import CREDENTIALS, FakeAuth, source

ROTATED = ApiKeyCredentials("org_1", "key_2", "secret_of_key_2")


async def test_replacement_invalidates_the_rejected_token_and_returns_a_new_one() -> None:
    async with source(FakeAuth()) as tokens:
        first = await tokens.get()
        following = await SourceTokenProvider(tokens).replacement([first])
        assert following is not None
        assert following.generation == 2
        assert tokens.peek() is following


async def test_replacement_is_none_for_a_second_401_with_the_same_credentials() -> None:
    async with source(FakeAuth()) as tokens:
        provider = SourceTokenProvider(tokens)
        first = await tokens.get()
        second = await provider.replacement([first])
        assert second is not None
        assert await provider.replacement([first, second]) is None


async def test_replacement_is_a_token_of_changed_credentials_for_a_second_401() -> None:
    answers = [CREDENTIALS, CREDENTIALS, ROTATED]

    async def credentials() -> ApiKeyCredentials:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async with source(FakeAuth(), credentials=credentials) as tokens:
        provider = SourceTokenProvider(tokens)
        first = await tokens.get()
        second = await provider.replacement([first])
        assert second is not None
        third = await provider.replacement([first, second])
        assert third is not None
        assert third.api_key == "key_2"
        assert await provider.replacement([first, second, third]) is None


async def test_replacement_is_none_while_forced_renewals_are_limited() -> None:
    async with source(FakeAuth()) as tokens:
        provider = SourceTokenProvider(tokens)
        for _ in range(3):
            assert await provider.replacement([await tokens.get()]) is not None
        assert await provider.replacement([await tokens.get()]) is None


@pytest.mark.parametrize("method", ["peek", "get_within"])
async def test_provider_reads_from_the_source_without_a_call_in_between(method) -> None:
    tokens = source(FakeAuth())
    assert getattr(SourceTokenProvider(tokens), method) == getattr(tokens, method)
