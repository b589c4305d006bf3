"""What the transport asks for a token, without knowing where tokens come from (RFC 6750)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

UNAUTHORIZED = 401


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
        """Return the valid token, if there is one."""
        ...

    async def get(self) -> AnyToken:
        """Return a valid token, waiting for it."""
        ...

    async def replacement(self, refused: Sequence[AnyToken], /) -> AnyToken | None:
        """Return the token to try after these were answered by 401, oldest first; None: no other one."""
        ...
