"""One access token, and the status of its source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jwt
import msgspec

from scope_async._core.redaction import Redacted
from scope_async.errors import ScopeError

_NEVER = float("-inf")

TokenState = Literal["empty", "fresh", "stale", "expired", "refused", "closed"]


def read_claims(value: str) -> dict[str, Any]:
    """Return the claims of a JWT without verifying them; empty when it is no JWT.

    The SDK is not the token's audience and has no key: the claims are for display and
    for `exp - iat`, never for a decision about trust.
    """
    try:
        claims = jwt.decode(value, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        # Header and payload are whatever the server wrote, and not every pyjwt maps all of it.
        return {}
    return dict(claims)


class AccessToken(Redacted, msgspec.Struct, frozen=True, eq=False):
    """A short-lived token, immutable; neither `repr` nor `str` shows it.

    Attributes:
        value: the token itself.
        authorization: the value of the `Authorization` header (RFC 6750 section 2.1).
        generation: counts the exchanges of one source, from 1.
        api_key: the public identifier of the key that it was exchanged for.
        lifetime: seconds it was good for when it was asked for.
        refresh_at, usable_until, expires_at: instants of the monotonic clock, in seconds.
        monotonic: that clock.
    """

    _hidden = frozenset({"value", "authorization", "refresh_at", "usable_until", "expires_at", "monotonic"})

    value: str
    authorization: str
    generation: int
    api_key: str
    lifetime: float
    refresh_at: float
    usable_until: float
    expires_at: float
    monotonic: Callable[[], float]

    def expires_in(self) -> float:
        """Return the seconds until the service stops accepting it; negative afterwards."""
        return self.expires_at - self.monotonic()

    @property
    def claims(self) -> dict[str, Any]:
        """The token's claims, unverified; empty when it is not a JWT."""
        return read_claims(self.value)


class HeldToken(msgspec.Struct, eq=False):
    """The token that a source holds; shared by what renews it and what waits for it."""

    token: AccessToken
    closed: bool = False


def no_token(monotonic: Callable[[], float]) -> AccessToken:
    """Return the token that a source holds before its first exchange: expired from the start."""
    return AccessToken("", "", 0, "", 0.0, _NEVER, _NEVER, _NEVER, monotonic)


def invalidated(token: AccessToken) -> AccessToken:
    """Return the token as one that is unusable from now on, and due for a refresh at once."""
    return msgspec.structs.replace(token, usable_until=_NEVER, refresh_at=_NEVER)


class TokenStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a `TokenSource` looks like at one moment; times in seconds, None where there is none.

    Attributes:
        state: `empty` (no token yet), `fresh`, `stale` (in use, renewal due), `expired` (also:
            refused by the service), `refused` (no valid token, and the credentials were
            refused) or `closed`.
        generation: of the current token; 0 without one.
        expires_in: until the service stops accepting the token.
        renews_in: until the next exchange is due; 0 when it is overdue or under way.
        refreshing: an exchange is under way.
        retries_in: how long the source backs off after a failure; None when it does not.
        exchanges: exchanges started so far, however they ended.
        failures: exchanges that gave no token.
        last_error: what the last exchange failed with; None after a success.
        shared: the current token came from the shared store.
    """

    state: TokenState
    generation: int
    expires_in: float | None
    renews_in: float | None
    refreshing: bool
    retries_in: float | None
    exchanges: int
    failures: int
    last_error: ScopeError | None
    shared: bool = False
