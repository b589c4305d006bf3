"""Credentials in, token out: the exchange over HTTP, in each dialect (contract 1.2)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from yarl import URL

from scope_async._core.redaction import Redacted, scrub
from scope_async.auth.token import AccessToken, read_claims
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ApiError, InvalidCredentialsError, ServerError
from scope_async.http.decoding import broken, page_text, read_object
from scope_async.http.failures import GATEWAY
from scope_async.http.messages import TOKEN, Reply, Request, request_headers
from scope_async.http.transport import Transport

DEFAULT_LIFETIME = 300.0
NOT_HERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class Dialect(msgspec.Struct, frozen=True):
    """One form of the exchange: where to post the credentials, and what their fields are called."""

    path: str
    key_field: str
    secret_field: str


# In the order in which `auto` tries them; the names are those of `config.AuthDialect`.
DIALECTS: Mapping[str, Dialect] = {
    "login": Dialect("/v1/auth/applications/login", "client_id", "client_secret"),
    "sdk-token": Dialect("/v1/auth/sdk-token", "key_id", "key_secret"),
}


class ExchangeResponse(Redacted, msgspec.Struct, frozen=True):
    """A token, and its lifetime in seconds from the moment it was asked for.

    The lifetime of a reply of the auth API is 0 or less if a cache on the way kept it for too long.
    `asked_at` is that moment as an instant of the client's monotonic clock, None when it is that of
    the call. `shared` is True if another process made the exchange.
    """

    _hidden = frozenset({"value"})

    value: str
    lifetime: float
    request_id: str | None = None
    asked_at: float | None = None
    shared: bool = False


class Exchange(Protocol):
    """How credentials become a token: one attempt, no retries."""

    async def __call__(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        """Return a token.

        `rejected` is the token that the service refused, when that is why a new one is needed: an
        exchange that shares or caches tokens must return another one.

        Raises:
            InvalidCredentialsError: the credentials are refused.
            ScopeError: anything else; it is tried again later.
        """
        ...


class HttpExchange:
    """The exchange at the auth API; in `auto` it remembers which dialect answered."""

    def __init__(self, config: Config, transport: Transport) -> None:
        self._transport = transport
        self.place = config.auth_api_url
        self._urls = {
            name: URL(config.auth_api_url + dialect.path, encoded=True) for name, dialect in DIALECTS.items()
        }
        self._names = list(DIALECTS) if config.auth_dialect == "auto" else [config.auth_dialect]

    @property
    def dialect(self) -> str:
        """The name of the dialect that is tried first: the one that answered last."""
        return self._names[0]

    async def __call__(
        self,
        credentials: ApiKeyCredentials,
        /,
        *,
        rejected: AccessToken | None = None,  # noqa: ARG002 - the auth API has no field for it
    ) -> ExchangeResponse:
        response = await self._ask(credentials)
        if response.lifetime <= 0:
            # Expired before it was asked for: a cache on the way has kept it.
            response = await self._ask(credentials, no_store=True)
        if response.lifetime <= 0:
            # The auth API itself says so. It may be mistaken; a 401 will tell.
            response = msgspec.structs.replace(response, lifetime=DEFAULT_LIFETIME)
        return response

    async def _ask(self, credentials: ApiKeyCredentials, *, no_store: bool = False) -> ExchangeResponse:
        last: ApiError | None = None
        for name in tuple(self._names):
            try:
                request = self._request(name, credentials)
                if no_store:
                    request.headers["Cache-Control"] = "no-store"  # RFC 9111 section 5.2.1.5
                response = await self._transport.call(request, read_exchange_response, max_retries=0)
            except ApiError as error:
                last = error
                if error.http_status in NOT_HERE:
                    continue
                self._remember(name)
                break
            self._remember(name)
            return msgspec.structs.replace(response, request_id=request.request_id)
        assert last is not None  # noqa: S101 - there is at least one dialect
        raise _explained(last, credentials) from None

    def _remember(self, name: str) -> None:
        self._names.sort(key=lambda known: known != name)

    def _request(self, name: str, credentials: ApiKeyCredentials) -> Request:
        dialect = DIALECTS[name]
        body = {
            "account_id": credentials.org_id,
            dialect.key_field: credentials.api_key,
            dialect.secret_field: credentials.api_secret,
        }
        headers = request_headers()
        headers["Content-Type"] = "application/json"
        return Request(
            operation="exchange",
            method="POST",
            url=self._urls[name],
            headers=headers,
            body=json.dumps(body).encode(),
            idempotent=True,
            secrets=(credentials.api_secret,),
        )


def read_exchange_response(reply: Reply) -> ExchangeResponse:
    """Return the token in the auth API's reply.

    Raises:
        ApiError: the reply reports an error.
        ServerError: no usable token in it.
    """
    data = read_object(reply, "access_token")
    value, kind = data["access_token"], data.get("token_type")
    if not isinstance(value, str) or not re.fullmatch(TOKEN, value):
        raise broken(reply, "the auth API's access_token is not a token")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise broken(reply, "the auth API's token_type is not Bearer")
    stated = data.get("expires_in")
    expires_in = _seconds(stated)
    if stated is not None and expires_in is None:
        raise broken(reply, "the auth API's expires_in is not a number of seconds")
    return ExchangeResponse(value, _lifetime(value, expires_in) - _age(reply))


def _lifetime(value: str, expires_in: float | None) -> float:
    """Return the least of the lifetimes that the reply and the token itself promise.

    `exp` is never compared with the local clock, which may be wrong: only the difference
    to `iat` says how long the token lives.
    """
    claims = read_claims(value)
    exp, iat = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    promised = [expires_in, exp - iat if exp is not None and iat is not None else None]
    # The difference of two numbers need not be one: 1e308 - -1e308 is infinite.
    return min(
        (each for each in promised if each is not None and math.isfinite(each)), default=DEFAULT_LIFETIME
    )


def _age(reply: Reply) -> float:
    """Return the seconds that a cache on the way has kept the reply (RFC 9111 section 5.1)."""
    return max(0.0, _seconds(reply.headers.get("Age")) or 0.0)


def _seconds(value: Any) -> float | None:
    """Return a number, which may be written as a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):  # JSON has integers that no float holds
        return None
    return seconds if math.isfinite(seconds) else None


def _explained(error: ApiError, credentials: ApiKeyCredentials) -> ApiError:
    """Return the error to raise: of the right class, and without the body of a success, which has a token."""
    status, message = error.http_status, error.message
    kind: type[ApiError] = type(error)
    refused = status == HTTPStatus.FORBIDDEN and error.error_code != GATEWAY
    if refused or status == HTTPStatus.UNAUTHORIZED:
        kind = InvalidCredentialsError
        message = f"the auth API refused API key {credentials.api_key}: {message}"
    elif status in NOT_HERE:
        message = f"there is no token exchange at auth_api_url: {message}"
    elif status is not None and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # Of a gateway or a firewall, or of a service that is out of order: nothing about the credentials.
        body = error.http_body or ""
        # The message of a gateway has the text of its page already, and JSON a message of its own.
        said = error.error_code == GATEWAY or body.lstrip().startswith("{")
        text = "" if said else scrub(page_text(body))
        message = f"the auth API did not accept the exchange: {message}{text and f': {text}'}"

    claims_success = (
        isinstance(error, ServerError) and status is not None and status < HTTPStatus.MULTIPLE_CHOICES
    )
    http_body = None if claims_success else error.http_body
    return error.replace(kind, message=message, http_body=http_body)
