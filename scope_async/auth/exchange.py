"""Credentials in, token out: the exchange over HTTP, in both dialects (contract 1.2)."""

from __future__ import annotations

import json
import math
from typing import Any, Literal, Protocol, TypeGuard

import attrs
from yarl import URL

from scope_async.auth.token import read_claims
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ApiError, InvalidCredentialsError, ServerError
from scope_async.http.decoding import broken, read_object
from scope_async.http.messages import TOKEN, Reply, Request, request_headers
from scope_async.http.transport import Transport

Dialect = Literal["login", "sdk-token"]

DEFAULT_LIFETIME = 300.0
_PATHS: dict[Dialect, str] = {
    "login": "/v1/auth/applications/login",
    "sdk-token": "/v1/auth/sdk-token",
}
_NOT_HERE = frozenset({404, 405})
_REFUSED = frozenset({400, 401, 403, 422})


@attrs.frozen
class ExchangeResponse:
    """What the auth API gave: a token, and the seconds it lives from the moment it was asked for."""

    value: str = attrs.field(repr=False)
    lifetime: float
    request_id: str | None = None


class Exchange(Protocol):
    """How credentials become a token: one attempt, no retries."""

    async def __call__(self, credentials: ApiKeyCredentials, /) -> ExchangeResponse:
        """Return a token.

        Raises:
            InvalidCredentialsError: the credentials are refused.
            ScopeError: anything else; it is tried again later.
        """
        ...


class HttpExchange:
    """The exchange at the auth API; in `auto` it remembers which dialect answered."""

    def __init__(self, config: Config, transport: Transport) -> None:
        self._config = config
        self._transport = transport
        self._urls = {
            dialect: URL(config.auth_api_url + path, encoded=True) for dialect, path in _PATHS.items()
        }
        self._dialects: list[Dialect] = (
            ["login", "sdk-token"] if config.auth_dialect == "auto" else [config.auth_dialect]
        )

    @property
    def dialect(self) -> Dialect:
        """The dialect that is tried first: the one that answered last."""
        return self._dialects[0]

    async def __call__(self, credentials: ApiKeyCredentials, /) -> ExchangeResponse:
        last: ApiError | None = None
        for dialect in tuple(self._dialects):
            try:
                request = self._request(dialect, credentials)
                grant = await self._transport.call(request, read_exchange_response, max_retries=0)
            except ApiError as error:
                last = error
                if error.http_status in _NOT_HERE:
                    continue
                self._remember(dialect)
                break
            self._remember(dialect)
            return attrs.evolve(grant, request_id=request.request_id)
        assert last is not None  # noqa: S101 - there is at least one dialect
        raise _explained(last, credentials) from None

    def _remember(self, dialect: Dialect) -> None:
        self._dialects.sort(key=lambda known: known != dialect)

    def _request(self, dialect: Dialect, credentials: ApiKeyCredentials) -> Request:
        key, secret = ("client_id", "client_secret") if dialect == "login" else ("key_id", "key_secret")
        body = {
            "account_id": credentials.org_id,
            key: credentials.api_key,
            secret: credentials.api_secret,
        }
        headers = request_headers()
        headers["Content-Type"] = "application/json"
        return Request(
            operation="exchange",
            method="POST",
            url=self._urls[dialect],
            headers=headers,
            body=json.dumps(body).encode(),
        )


def read_exchange_response(reply: Reply) -> ExchangeResponse:
    """Return the token in the auth API's reply.

    Raises:
        ApiError: the reply reports an error.
        ServerError: no usable token in it, or one that has expired already.
    """
    data = read_object(reply, "access_token")
    value, kind = data["access_token"], data.get("token_type")
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise broken(reply, "the auth API's access_token is not a token")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise broken(reply, "the auth API's token_type is not Bearer")
    lifetime = _lifetime(value, data.get("expires_in"))
    if lifetime is None:
        raise broken(reply, "the auth API's expires_in is not a number of seconds")
    if lifetime <= 0:
        raise broken(reply, "the auth API's token has expired already")
    return ExchangeResponse(value, lifetime)


def _lifetime(value: str, expires_in: Any) -> float | None:
    """Return the promised lifetime; None when it is not one.

    `exp` is never compared with the local clock, which may be wrong: only the difference
    to `iat` says how long the token lives.
    """
    if expires_in is None:
        claims = read_claims(value)
        exp, iat = claims.get("exp"), claims.get("iat")
        if not (_is_seconds(exp) and _is_seconds(iat)):
            return DEFAULT_LIFETIME
        # The difference of two numbers need not be one: 1e308 - -1e308 is infinite.
        lifetime = float(exp) - float(iat)
        return lifetime if math.isfinite(lifetime) else None
    return float(expires_in) if _is_seconds(expires_in) else None


def _is_seconds(value: Any) -> TypeGuard[float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON has integers that no float holds
        return False


def _without(secret: str, text: str) -> str:
    """Return `text` without the secret, as it is and as JSON has it, whole or cut off at the end."""
    for written in {secret, json.dumps(secret)[1:-1]}:
        text = text.replace(written, "[api secret]")
        begun = next((n for n in range(len(written) - 1, 3, -1) if text.endswith(written[:n])), 0)
        text = text[: len(text) - begun]
    return text


def _explained(error: ApiError, credentials: ApiKeyCredentials) -> ApiError:
    """Return the error to raise: of the right kind, and without what must not be shown.

    A reply that claims success may hold a token, and one that reports an error may repeat
    the secret that it was sent.
    """
    status = error.http_status
    if status in _REFUSED:
        kind: type[ApiError] = InvalidCredentialsError
        message = f"the auth API refused API key {credentials.api_key}: {error.message}"
    elif status in _NOT_HERE:
        kind = type(error)
        message = f"there is no token exchange at auth_api_url: {error.message}"
    else:
        kind = type(error)
        message = error.message

    def without_secret(text: str | None) -> str | None:
        return _without(credentials.api_secret, text) if text is not None else None

    succeeded = isinstance(error, ServerError) and status is not None and status < 300  # noqa: PLR2004 - RFC 9110
    return kind(
        without_secret(message) or "",
        http_status=status,
        error_code=without_secret(error.error_code),
        request_id=error.request_id,
        http_body=None if succeeded else without_secret(error.http_body),
        retry_after=error.retry_after,
    )
