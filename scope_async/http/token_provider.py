"""What the transport needs of a token's source, and the rule for a 401 (RFC 6750 section 3.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Protocol, TypeVar

from scope_async.errors import ScopeError


class Token(Protocol):
    """What a request is sent with."""

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header."""
        ...


AnyToken = TypeVar("AnyToken", bound=Token)


class TokenProvider(Protocol[AnyToken]):
    """Where a request's token comes from."""

    def peek(self) -> AnyToken | None:
        """Return the valid token, or None; never waits."""
        ...

    async def get_within(
        self, seconds: float, /, on_attempt_failed: Callable[[ScopeError], None] | None = None
    ) -> AnyToken:
        """Return a valid token, waiting at most `seconds` for it.

        `on_attempt_failed` is called with why there is none yet, as often as another attempt follows.

        Raises:
            ScopeError: why there is none.
        """
        ...

    async def replacement(self, rejected: Sequence[AnyToken], seconds: float, /) -> AnyToken | None:
        """Return a token to retry with after `rejected` (oldest first) got a 401, or None to give up.

        As `get_within` it waits at most `seconds`, and raises why there is none.
        """
        ...


class HasStatus(Protocol):
    """A response, of whatever HTTP client."""

    @property
    def status(self) -> int: ...


Response = TypeVar("Response", bound=HasStatus)


async def replay_while_unauthorized(
    response: Response,
    token: AnyToken,
    *,
    replacement: Callable[[Sequence[AnyToken]], Awaitable[AnyToken | None]],
    send: Callable[[AnyToken, Sequence[AnyToken]], Awaitable[Response]],
) -> Response:
    """Return the first response other than a 401, or the last one when all tokens were rejected.

    `response` was sent with `token`. `send` gets the next token and the rejected ones, oldest first.
    """
    rejected = [token]
    while response.status == HTTPStatus.UNAUTHORIZED:
        following = await replacement(rejected)
        if following is None:
            break
        response = await send(following, rejected)
        rejected.append(following)
    return response
