"""Authentication of requests by access token or admin token."""

from __future__ import annotations

import hmac

from scope_async.local.identifiers import digest
from scope_async.local.store.key_models import KeyRecord
from scope_async.local.store.store import Store
from scope_async.local.tokens import BadTokenError, Grant, Signer
from scope_async.local.web.request import ApiProblem, RequestContext


class Authenticator:
    """Checks the `Authorization` header of requests and the API key behind a token."""

    def __init__(self, store: Store, signer: Signer, admin_token: str) -> None:
        self._keys = store.keys
        self._audit_log = store.audit_log
        self._clock = store.clock
        self._signer = signer
        self._admin_digest = digest(admin_token)

    def authenticate(self, context: RequestContext) -> KeyRecord:
        """Return the API key of the request's token; its status is checked for every request.

        Raises:
            ApiProblem: 401, with a code that says why.
        """
        header = context.request.headers.get("Authorization", "")
        grant = self._signer.cached_grant(header) or self._verify_and_cache(header)
        context.api_key = grant.api_key
        now = self._clock.time()
        if now >= grant.expires_at:
            raise _unauthorized("token_expired", "the access token has expired")
        record = self._keys.find_key(grant.api_key)
        if record is None:
            raise _unauthorized("invalid_token", "the API key of this access token does not exist")
        if (status := record.status_at(now)) != "active":
            raise _unauthorized(f"api_key_{status}", f"the API key of this access token is {status}")
        self._audit_log.used(record.api_key, now)
        return record

    def _verify_and_cache(self, header: str) -> Grant:
        try:
            grant = self._signer.verify(_bearer(header))
        except BadTokenError as error:
            raise _unauthorized("invalid_token", "the access token is not valid") from error
        self._signer.cache_grant(header, grant)
        return grant

    def require_admin(self, context: RequestContext) -> None:
        """Require the admin token.

        Raises:
            ApiProblem: 403 for the token of an API key, 401 for anything else.
        """
        token = _bearer(context.request.headers.get("Authorization", ""))
        if self.is_admin_token(token):
            return
        try:
            context.api_key = self._signer.verify(token).api_key
        except BadTokenError as error:
            raise _unauthorized(
                "invalid_token", "this needs the admin token, which every start creates anew"
            ) from error
        raise ApiProblem(403, "forbidden", "an API key cannot do this: it needs the admin token")

    def is_admin_token(self, token: str) -> bool:
        """Return True if `token` is the admin token, compared in constant time."""
        return hmac.compare_digest(digest(token), self._admin_digest)


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
