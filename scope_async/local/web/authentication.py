"""Authentication of requests by access token or admin token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import IntEnum

from scope_async.local.identifiers import digest
from scope_async.local.store.store import Store
from scope_async.local.tokens import BadTokenError, Grant, Signer
from scope_async.local.web.request import ApiProblem, RequestContext


class Role(IntEnum):
    """The roles of Scope's permissions matrix; each may do what those below it may."""

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3


class Authenticator:
    """Checks the `Authorization` header of requests, and the API key or the role behind a token."""

    def __init__(self, store: Store, signer: Signer, tokens: Mapping[Role, str]) -> None:
        self._keys = store.keys
        self._audit_log = store.audit_log
        self._clock = store.clock
        self._signer = signer
        self._digests = {role: digest(token) for role, token in tokens.items()}

    def authenticate(self, context: RequestContext) -> None:
        """Require the token of an active API key, or of any role; a key is checked for every request.

        Raises:
            ApiProblem: 401, with a code that says why.
        """
        headers = context.request.headers
        header = headers.get("Authorization", "")
        grant = self._signer.cached_grant(header) or self._verify_and_cache(header)
        if grant is None:
            return
        context.api_key = grant.api_key
        now = self._clock.time()
        if now >= grant.expires_at:
            raise _unauthorized("token_expired", "the access token has expired")
        record = self._keys.find_key(grant.api_key)
        if record is None:
            raise _unauthorized("invalid_token", "the API key of this access token does not exist")
        if (status := record.status_at(now)) != "active":
            raise _unauthorized(f"api_key_{status}", f"the API key of this access token is {status}")
        self._audit_log.used(
            record.api_key, now, user_agent=headers.get("User-Agent"), address=context.request.remote
        )

    def _verify_and_cache(self, header: str) -> Grant | None:
        token = _bearer(header)
        if self._role_of(token) is not None:
            return None
        try:
            grant = self._signer.verify(token)
        except BadTokenError as error:
            raise _unauthorized("invalid_token", "the access token is not valid") from error
        self._signer.cache_grant(header, grant)
        return grant

    def require(self, context: RequestContext, least: Role) -> Role:
        """Require a token of the role `least` or above, and return its role.

        Raises:
            ApiProblem: 403 for a lower role or the token of an API key, 401 for anything else.
        """
        token = _bearer(context.request.headers.get("Authorization", ""))
        role = self._role_of(token)
        if role is None:
            try:
                context.api_key = self._signer.verify(token).api_key
            except BadTokenError as error:
                raise _unauthorized(
                    "invalid_token",
                    f"this needs the {least.name.lower()} token; unless given, it is new at every start",
                ) from error
        if role is None or role < least:
            who = "an API key" if role is None else f"a {role.name.lower()}"
            raise ApiProblem(
                403, "forbidden", f"{who} cannot do this: it needs the role {least.name.lower()}"
            )
        return role

    def is_admin_token(self, token: str) -> bool:
        """Return True if `token` is the admin token."""
        return self._role_of(token) is Role.ADMIN

    def _role_of(self, token: str) -> Role | None:
        # All are compared, in constant time: the answer's time says nothing.
        sent = digest(token)
        matching = [role for role, known in self._digests.items() if hmac.compare_digest(sent, known)]
        return matching[0] if matching else None


def _bearer(header: str) -> str:
    if not header:
        raise _unauthorized("missing_token", "the Authorization header is missing", error=False)
    # RFC 9110, 11.1: the scheme is case-insensitive.
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized("invalid_token", "the Authorization header has to be 'Bearer <token>'")
    return token.strip()


def _unauthorized(code: str, message: str, *, error: bool = True) -> ApiProblem:
    # RFC 6750, 3.1: a request without authentication gets no error attribute.
    challenge = 'Bearer error="invalid_token"' if error else "Bearer"
    return ApiProblem(401, code, message, {"WWW-Authenticate": challenge})
