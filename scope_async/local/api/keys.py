"""API keys over HTTP (contract 1.5); every call needs the admin token."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from aiohttp import web

from scope_async.errors import ValidationError
from scope_async.local.store.key_models import (
    DEFAULT_OVERLAP,
    ENVIRONMENTS,
    STATUSES,
    KeyRecord,
    NewKey,
    check_again,
    check_environment,
    check_lifetime,
    check_name,
    check_overlap,
    check_reason,
)
from scope_async.local.store.keys import AuditContext
from scope_async.local.store.store import Store
from scope_async.local.timestamps import iso
from scope_async.local.web.authentication import Authenticator, Role
from scope_async.local.web.request import RequestContext, Route, reply

T = TypeVar("T")

_PAGE = 50
_MAX_PAGE = 200
_IDEMPOTENCY_LIMIT = 255
_KEYS = "/api/v1/api-keys"
_KEY = f"{_KEYS}/{{api_key:[^/]+}}"
_NO_STORE = {"Cache-Control": "no-store"}


class KeysApi:
    """Creates, lists, rotates and revokes API keys; requires the admin token."""

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", _KEYS, "keys", self._create),
            Route("GET", _KEYS, "keys", self._list),
            Route("GET", _KEY, "keys", self._get),
            Route("POST", f"{_KEY}/revoke", "keys", self._revoke),
            Route("POST", f"{_KEY}/rotate", "keys", self._rotate),
            Route("GET", f"{_KEY}/events", "keys", self._events),
        )

    async def _create(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.ADMIN)
        fields = await context.fields(required=("name",), optional=("environment", "expires_in"))
        environment = fields.get("environment")
        new_key = await self._store.keys.create(
            check_name(fields["name"]),
            environment=check_environment("production" if environment is None else environment),
            expires_in=check_lifetime(fields.get("expires_in")),
            audit=_audit_context(context),
        )
        return self._new(new_key)

    async def _list(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.ADMIN)
        query = context.request.query
        status = _one_of("status", query.get("status"), STATUSES)
        environment = _one_of("environment", query.get("environment"), ENVIRONMENTS)
        now = self._store.clock.time()
        after = _read_cursor(query.get("cursor"))
        records = [
            record
            for record in self._store.keys.all()
            if (status is None or record.status_at(now) == status)
            and (environment is None or record.environment == environment)
            and (after is None or _sort_key(record) > after)
        ]
        page, following = _page(records, _limit(query.get("limit")))
        cursor = _cursor(_sort_key(page[-1])) if following else None
        return reply({"data": [self._document(record) for record in page], "next_cursor": cursor})

    async def _get(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.ADMIN)
        return reply(self._document(self._store.keys.get_key(context.request.match_info["api_key"])))

    async def _revoke(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.ADMIN)
        fields = await context.fields(optional=("reason",))
        api_key, reason = context.request.match_info["api_key"], check_reason(fields.get("reason"))
        record = await self._store.keys.revoke(api_key, reason=reason, audit=_audit_context(context))
        return reply(self._document(record))

    async def _rotate(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.ADMIN)
        fields = await context.fields(optional=("overlap", "again"))
        overlap = check_overlap(fields.get("overlap", DEFAULT_OVERLAP))
        again = check_again(fields.get("again", False))
        api_key = context.request.match_info["api_key"]
        new_key = await self._store.keys.rotate(
            api_key, overlap=overlap, again=again, audit=_audit_context(context)
        )
        return self._new(new_key, replaced_key=self._document(self._store.keys.get_key(api_key)))

    async def _events(self, context: RequestContext) -> web.Response:
        self._authenticator.require(context, Role.ADMIN)
        query = context.request.query
        events = await self._store.keys.events(context.request.match_info["api_key"])
        begin = _read_offset(query.get("cursor"))
        page, following = _page(events[begin:], _limit(query.get("limit")))
        cursor = _cursor((begin + len(page), "")) if following else None
        data: list[dict[str, Any]] = [{**event, "at": iso(event["at"])} for event in page]
        return reply({"data": data, "next_cursor": cursor})

    def _document(self, record: KeyRecord) -> dict[str, Any]:
        last_use = self._store.audit_log.last_use(record.api_key)
        return record.document(now=self._store.clock.time(), last_use=last_use)

    def _new(self, new_key: NewKey, **more: Any) -> web.Response:
        shown_once = {"api_secret": new_key.api_secret, "org_id": self._store.org_id}
        document = {**self._document(new_key.record), **shown_once, **more}
        return reply(document, status=201, headers=_NO_STORE)


def _one_of(name: str, value: str | None, allowed: Sequence[str]) -> str | None:
    if value is not None and value not in allowed:
        raise ValidationError(f"{name}: one of {', '.join(allowed)}")
    return value


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE
    if (
        not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_PAGE)))
        or not 1 <= int(text) <= _MAX_PAGE
    ):
        raise ValidationError(f"limit: 1 to {_MAX_PAGE}")
    return int(text)


def _page(items: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    return items[:limit], len(items) > limit


def _sort_key(record: KeyRecord) -> tuple[float, str]:
    return -record.created_at, record.api_key


def _cursor(place: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read_cursor(text: str | None) -> tuple[float, str] | None:
    if text is None:
        return None
    try:
        number, name = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place = float(number), str(name)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _invalid_cursor() from error
    if not math.isfinite(place[0]):
        raise _invalid_cursor()
    return place


def _read_offset(text: str | None) -> int:
    number, name = _read_cursor(text) or (0.0, "")
    # With the cursor of another list, or a negative one, a client would get one page for ever.
    if name or number < 0 or not number.is_integer():
        raise _invalid_cursor()
    return int(number)


def _invalid_cursor() -> ValidationError:
    return ValidationError("cursor: this service has not issued it")


def _audit_context(context: RequestContext) -> AuditContext:
    headers = context.request.headers
    idempotency_key = headers.get("Idempotency-Key")
    if idempotency_key is not None and not 0 < len(idempotency_key) <= _IDEMPOTENCY_LIMIT:
        raise ValidationError(f"Idempotency-Key: 1 to {_IDEMPOTENCY_LIMIT} characters")
    return AuditContext("admin", context.request.remote, idempotency_key, headers.get("User-Agent"))
