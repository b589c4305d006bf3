"""Whether a client would answer a call made now, and what is wrong with it; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from scope_async.auth.token import TokenStatus
from scope_async.errors import ConfigurationError, InvalidCredentialsError
from scope_async.prompts.cache.status import CacheStatus

if TYPE_CHECKING:
    from scope_async.stores.availability import StoreStatus


class ClientStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a `ScopeClient` looks like at one moment, for a readiness probe.

    Attributes:
        ready: a call made now would be answered, by the service or by a copy.
        problems: one sentence for each thing that is wrong, also while every caller is served.
        tokens: of `scope.tokens`.
        cache: of the prompt versions in memory.
        store: of what processes share; None when there is no store.
    """

    ready: bool
    problems: tuple[str, ...]
    tokens: TokenStatus
    cache: CacheStatus
    store: StoreStatus | None = None


def client_status(
    tokens: TokenStatus,
    cache: CacheStatus,
    store: StoreStatus | None = None,
    *,
    foreign_reply: str | None = None,
) -> ClientStatus:
    """Return the status of a client whose parts look like this.

    `foreign_reply` is the answer of a server other than Scope; None once Scope has answered.
    """
    problems = [*_token_problems(tokens), *_cache_problems(cache), *_store_problems(store)]
    if foreign_reply is not None:
        problems.append(f"The Scope API is not at base_url (is its path right?): {foreign_reply}.")
    return ClientStatus(
        ready=_is_ready(tokens, cache) and (foreign_reply is None or cache.entries > 0),
        problems=tuple(problems),
        tokens=tokens,
        cache=cache,
        store=store,
    )


def _is_ready(tokens: TokenStatus, cache: CacheStatus) -> bool:
    if tokens.state == "closed":
        return False
    if tokens.state in ("fresh", "stale"):
        return cache.entries > 0 or cache.outages == 0
    if (
        isinstance(tokens.last_error, InvalidCredentialsError | ConfigurationError)
        or tokens.state == "refused"
    ):
        # Nothing stands in for the service, so only what is fresh is served.
        return cache.entries > cache.stale
    if cache.entries > 0:
        return True
    # Nothing is known to be wrong, unless the first token is still to come.
    return tokens.last_error is None and not tokens.refreshing


def _token_problems(tokens: TokenStatus) -> Iterator[str]:
    error = tokens.last_error
    if tokens.state == "closed":
        yield "The client is closed."
    elif tokens.state in ("fresh", "stale"):
        if error is not None:
            yield f"The token expires in {tokens.expires_in or 0.0:.0f} s and could not be renewed: {error}."
    elif error is not None:
        yield f"There is no valid token: {error}."
    elif tokens.refreshing:
        yield "There is no valid token yet: the exchange is under way."


def _cache_problems(cache: CacheStatus) -> Iterator[str]:
    if cache.outages:
        prompts = "1 prompt" if cache.outages == 1 else f"{cache.outages} prompts"
        without = f"without a copy: {cache.without_copy}" if cache.without_copy else "copies stand in"
        yield f"{prompts} cannot be fetched; {without}."


def _store_problems(store: StoreStatus | None) -> Iterator[str]:
    if store is not None and not store.available:
        cause = (store.last_error or "").rstrip(".")  # the text of an engine may be a sentence
        yield f"The shared store is not used, and this client goes on alone: {cause}."
