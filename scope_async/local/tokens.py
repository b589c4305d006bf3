"""The access tokens of Local Scope: JWTs (RFC 7519) that name their API key."""

from __future__ import annotations

import uuid
from typing import Any

import jwt
from attrs import field, frozen

from scope_async._core.clock import Clock
from scope_async.local.store.key_models import KeyRecord
from scope_async.local.store.store import Store

_ALGORITHM = "HS256"
_ISSUER = "scope-async-local"
_GRANTS_KEPT = 16_384


class BadTokenError(Exception):
    """The token was not signed by this store."""


@frozen
class Grant:
    """The claims of a token that requests need: API key and expiry (seconds since the epoch)."""

    api_key: str
    expires_at: float


@frozen
class IssuedToken:
    value: str = field(repr=False)
    expires_at: float


class Signer:
    """Signs and verifies tokens, and caches what verified `Authorization` headers grant."""

    def __init__(self, store: Store, clock: Clock, token_ttl: float) -> None:
        self.token_ttl = token_ttl
        self._store = store
        self._clock = clock
        self._grants: dict[str, Grant] = {}

    def issue(self, key: KeyRecord, *, lifetime: float | None = None) -> IssuedToken:
        """Return a new token for `key`.

        It lives `lifetime` seconds; by default `token_ttl`, or until its key expires if that is
        earlier. `iat` and `exp` carry milliseconds (RFC 7519, 2 allows fractions): in whole
        seconds, a token of four seconds would live three.
        """
        now = round(self._clock.time(), 3)
        expires_at = now + (self.token_ttl if lifetime is None else lifetime)
        if lifetime is None and key.expires_at is not None:
            expires_at = min(expires_at, key.expires_at)
        expires_at = round(expires_at, 3)
        claims = {
            "iss": _ISSUER,
            "sub": key.api_key,
            "org_id": self._store.org_id,
            "key_id": key.api_key,
            "iat": now,
            "exp": expires_at,
            "jti": uuid.uuid4().hex,
        }
        value = jwt.encode(claims, self._store.signing_key, _ALGORITHM)  # pyright: ignore[reportUnknownMemberType]
        return IssuedToken(value, expires_at)

    def cached_grant(self, authorization: str) -> Grant | None:
        """Return the cached grant of this `Authorization` header, or None."""
        return self._grants.get(authorization)

    def cache_grant(self, authorization: str, grant: Grant) -> None:
        """Cache the grant of a header whose token was verified; the oldest entry makes room."""
        self._grants[authorization] = grant
        if len(self._grants) > _GRANTS_KEPT:
            self._grants.pop(next(iter(self._grants)))

    def clear_cache(self) -> None:
        """Forget every verified token, because the organization has changed."""
        self._grants.clear()

    def verify(self, token: str) -> Grant:
        """Return the claims of a token, also of an expired one: the caller checks the expiry.

        Raises:
            BadTokenError: this store has not signed the token.
        """
        # Expiry goes by Local Scope's clock, which pyjwt does not know.
        options: Any = {
            "verify_exp": False,
            "verify_iat": False,
            "require": ["exp", "iat", "jti", "key_id", "org_id"],
        }
        try:
            claims: dict[str, Any] = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                token, self._store.signing_key, [_ALGORITHM], options=options, issuer=_ISSUER
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            # pyjwt parses the header before it checks the signature, so any input arrives here.
            raise BadTokenError(str(error)) from error
        if claims["org_id"] != self._store.org_id:
            raise BadTokenError("the token is of another organization")
        return Grant(str(claims["key_id"]), float(claims["exp"]))
