from __future__ import annotations

from typing import Any

import pytest

from scope_async.auth.token import TokenState, TokenStatus
from scope_async.errors import ConfigurationError, InvalidCredentialsError, ScopeError, TokenRefreshError
from scope_async.prompts.cache.status import CacheStatus
from scope_async.status import client_status
from scope_async.stores.availability import StoreStatus

REFUSED = InvalidCredentialsError("the auth API refused API key key_1", http_status=401)
DOWN = TokenRefreshError("the auth API is down", http_status=503)


def tokens(state: TokenState, error: ScopeError | None = None, *, refreshing: bool = False) -> TokenStatus:
    return TokenStatus(
        state=state,
        generation=1,
        expires_in=30.0,
        renews_in=0.0,
        refreshing=refreshing,
        retries_in=None,
        exchanges=1,
        failures=0,
        last_error=error,
    )


def cache(entries: int = 0, **values: Any) -> CacheStatus:
    return CacheStatus(
        **{"stale": 0, "oldest_age": 1.0, "outages": 0, "without_copy": 0, **values}, entries=entries
    )


@pytest.mark.parametrize(
    ("tokens", "cache", "ready"),
    [
        (tokens("fresh"), cache(), True),
        (tokens("stale", DOWN), cache(), True),
        (tokens("fresh"), cache(outages=1, without_copy=1), False),
        (tokens("fresh"), cache(1, stale=1, outages=2, without_copy=1), True),
        (tokens("expired", DOWN), cache(), False),
        (tokens("expired", DOWN), cache(2, stale=2), True),
        (tokens("expired"), cache(), True),
        (tokens("empty", refreshing=True), cache(), False),
        (tokens("empty"), cache(), True),
        (tokens("refused", REFUSED), cache(2, stale=1), True),
        (tokens("refused", REFUSED), cache(2, stale=2), False),
        (tokens("refused", DOWN), cache(2, stale=2), False),
        (tokens("empty", ConfigurationError("a dict")), cache(2, stale=2), False),
        (tokens("closed"), cache(2), False),
    ],
)
def test_client_is_ready_when_a_call_would_be_answered(tokens, cache, ready) -> None:
    status = client_status(tokens, cache)
    assert (status.ready, status.tokens, status.cache) == (ready, tokens, cache)
    assert status.ready or status.problems


@pytest.mark.parametrize(
    ("tokens", "cache", "problems"),
    [
        (tokens("fresh"), cache(3), ()),
        (
            tokens("stale", DOWN),
            cache(),
            ("The token expires in 30 s and could not be renewed: the auth API is down (HTTP 503).",),
        ),
        (
            tokens("refused", REFUSED),
            cache(),
            ("There is no valid token: the auth API refused API key key_1 (HTTP 401).",),
        ),
        (
            tokens("fresh"),
            cache(1, outages=3, without_copy=2),
            ("3 prompts cannot be fetched; without a copy: 2.",),
        ),
        (tokens("fresh"), cache(1, outages=1), ("1 prompt cannot be fetched; copies stand in.",)),
        (tokens("closed"), cache(), ("The client is closed.",)),
    ],
)
def test_problems_are_sentences_that_name_the_cause(tokens, cache, problems) -> None:
    assert client_status(tokens, cache).problems == problems


@pytest.mark.parametrize(("entries", "ready"), [(0, False), (1, True)])
def test_another_server_than_scope_is_a_problem_and_leaves_what_is_in_memory(entries, ready) -> None:
    status = client_status(tokens("fresh"), cache(entries), foreign_reply="a server answered with status 404")
    assert status.ready is ready
    (problem,) = status.problems
    assert problem == (
        "The Scope API is not at base_url (is its path right?): a server answered with status 404."
    )


def test_store_that_is_unavailable_is_a_problem_and_no_obstacle() -> None:
    down = StoreStatus(available=False, down_for=3.0, last_error="no answer within 0.5 s")
    status = client_status(tokens("fresh"), cache(1), down)
    assert status.ready
    assert status.store is down
    (problem,) = status.problems
    assert problem == ("The shared store is not used, and this client goes on alone: no answer within 0.5 s.")


def test_problem_ends_with_one_full_stop_when_the_engine_wrote_a_sentence() -> None:
    down = StoreStatus(available=False, down_for=3.0, last_error="Authentication required.")
    (problem,) = client_status(tokens("fresh"), cache(1), down).problems
    assert problem.endswith("alone: Authentication required.")
