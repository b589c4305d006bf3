"""The token exchange, in both dialects of contract 1.2."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from aiohttp import web

from scope_async.local.api.login_throttle import LoginThrottle
from scope_async.local.faults.spec import LOGIN, SDK_TOKEN, Fault
from scope_async.local.identifiers import digest
from scope_async.local.store.key_models import KeyRecord
from scope_async.local.store.store import Store
from scope_async.local.tokens import IssuedToken, Signer
from scope_async.local.web.request import ApiProblem, RequestContext, Route, reply

_ROUNDED = 0.05
_FIELD_LIMIT = 512
_UNKNOWN_KEY = digest("the secret of an unknown API key")


class AuthApi:
    """Turns an API key and its secret into an access token."""

    def __init__(self, store: Store, signer: Signer, login_throttle: LoginThrottle) -> None:
        self._store = store
        self._signer = signer
        self._login_throttle = login_throttle
        self._last: dict[str, IssuedToken] = {}

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", LOGIN, "exchange", self._login),
            Route("POST", SDK_TOKEN, "exchange", self._sdk_token),
        )

    async def _login(self, context: RequestContext) -> web.Response:
        return await self._exchange(context, "client_id", "client_secret")

    async def _sdk_token(self, context: RequestContext) -> web.Response:
        return await self._exchange(context, "key_id", "key_secret")

    async def _exchange(self, context: RequestContext, key_field: str, secret_field: str) -> web.Response:
        names = ("account_id", key_field, secret_field)
        fields = await context.fields(required=names)
        for name in names:
            value = fields[name]
            if not isinstance(value, str) or not 0 < len(value) <= _FIELD_LIMIT:
                raise ApiProblem(
                    400, "validation_error", f"{name}: a string of 1 to {_FIELD_LIMIT} characters"
                )
        org_id, api_key, secret = (fields[name] for name in names)
        key = self._authenticate(context, org_id, api_key, secret)
        faults = {fault.kind: fault for fault in context.token_faults}
        token = self._token(key, faults)
        document: dict[str, object] = {
            "access_token": token.value,
            "expires_in": self._lifetime(token),
            "token_type": "Bearer",
        }
        if (wrong := faults.get("expires_in")) is not None:
            document["expires_in"] = wrong.value
            if wrong.value is None:
                del document["expires_in"]
        return reply(document, headers={"Cache-Control": "no-store"})

    def _token(self, key: KeyRecord, faults: Mapping[str, Fault]) -> IssuedToken:
        token = self._last.get(key.api_key) if "same_token" in faults else None
        if token is None:
            token = self._signer.issue(key, lifetime=-1.0 if "expired_token" in faults else None)
            self._last[key.api_key] = token
        return token

    def _lifetime(self, token: IssuedToken) -> float:
        left = max(0.0, round(token.expires_at - self._store.clock.time(), 3))
        # Signing took some milliseconds, and many clients read whole seconds only.
        whole = round(left)
        return whole if abs(left - whole) < _ROUNDED else left

    def _authenticate(self, context: RequestContext, org_id: str, api_key: str, secret: str) -> KeyRecord:
        key = self._store.keys.find_key(api_key)
        context.api_key = None if key is None else api_key
        address, now = context.request.remote or "", self._store.clock.time()
        caller = {"user_agent": context.request.headers.get("User-Agent"), "address": address}
        # An unknown key and a wrong secret cost the same time and get the same answer.
        stored = _UNKNOWN_KEY if key is None else key.secret_digest
        right = hmac.compare_digest(digest(secret), stored)
        right &= hmac.compare_digest(digest(org_id), digest(self._store.org_id))
        known = None if key is None else api_key
        wait = self._login_throttle.check(address, api_key)
        if wait is not None:
            self._store.audit_log.refused(known, now, "too_many_attempts", **caller)
            raise _too_many(wait)
        if key is None or not right:
            self._store.audit_log.refused(known, now, "invalid_credentials", **caller)
            self._login_throttle.add_failure(address, api_key)
            raise ApiProblem(
                401, "invalid_credentials", "the organization, API key or API secret is not right"
            )
        if (status := key.status_at(now)) != "active":
            self._store.audit_log.refused(api_key, now, f"api_key_{status}", **caller)
            raise ApiProblem(401, f"api_key_{status}", f"the API key is {status}")
        self._store.audit_log.exchanged(api_key, now, **caller)
        return key


def _too_many(wait: float) -> ApiProblem:
    seconds = str(max(1, round(wait + 0.5)))
    return ApiProblem(429, "too_many_attempts", "too many failed exchanges", {"Retry-After": seconds})
