"""Settings > API Keys: the table and its dialogs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from scope_async.environment import CREDENTIAL_VARIABLES, OPTION_VARIABLES
from scope_async.errors import ConflictError
from scope_async.local.pages.access import PageAccess, redirect
from scope_async.local.pages.forms import (
    KeyForm,
    creation,
    lifetimes,
    overlaps,
    read_creation,
    read_revocation,
    read_rotation,
    revocation,
    rotation,
)
from scope_async.local.pages.history import History
from scope_async.local.pages.keys_table import SORTS, TABS, Row, Table, View
from scope_async.local.pages.relative_time import instant
from scope_async.local.pages.request import PageRequest
from scope_async.local.pages.resume import KEYS
from scope_async.local.pages.sessions import OneTimeSecret
from scope_async.local.store.key_models import ENVIRONMENTS, KeyRecord, check_name
from scope_async.local.store.keys import AuditContext
from scope_async.local.store.store import Store
from scope_async.local.web.request import Route

_KEY = f"{KEYS}/{{api_key:[^/]+}}"
_DIALOGS = {
    "create.html": "plain",
    "already_shown.html": "plain",
    "revoke.html": "plain",
    "rotate.html": "plain",
    "history.html": "broad",
    "secret.html": "broad",
}
"""Templates that are a dialog over the table, and their width."""


class KeyPages:
    """Creates, shows, rotates and revokes API keys for a signed-in browser.

    Every dialog has its own address and every form is answered with a redirect, so the pages
    work without script and reloading repeats nothing.
    """

    def __init__(self, store: Store, access: PageAccess) -> None:
        self._store = store
        self._access = access

    def routes(self) -> tuple[Route, ...]:
        table = (
            ("GET", KEYS, self._list),
            ("POST", KEYS, self._create),
            ("GET", f"{KEYS}/new", self._ask_create),
            ("GET", f"{KEYS}/created/{{form_id:[^/]+}}", self._show_secret),
            ("GET", f"{_KEY}/history", self._history),
            ("GET", f"{_KEY}/rotate", self._ask_rotate),
            ("POST", f"{_KEY}/rotate", self._rotate),
            ("GET", f"{_KEY}/revoke", self._ask_revoke),
            ("POST", f"{_KEY}/revoke", self._revoke),
        )
        return tuple(Route(method, path, "page", self._access.private(page)) for method, path, page in table)

    async def _list(self, request: PageRequest) -> web.Response:
        return await self._show(request, "keys.html", notice=request.session.take_notice())

    async def _ask_create(self, request: PageRequest) -> web.Response:
        return await self._show_create(request, creation(request.http.query))

    async def _create(self, request: PageRequest) -> web.Response:
        form = read_creation(request.form)
        if form.errors:
            return await self._show_create(request, form, status=422)
        lifetime = form.values["expires_in"]
        try:
            new_key = await self._store.keys.create(
                check_name(form.values["name"]),
                environment=form.values["environment"],
                expires_in=float(lifetime) if lifetime else None,
                audit=_audit_context(request, form),
            )
        except ConflictError:
            again = form.failed("This form has been used already. To make another key, send it once more.")
            return await self._show_create(request, again, status=409)
        return _redirect_to_secret(request, form, OneTimeSecret(new_key))

    async def _show_create(self, request: PageRequest, form: KeyForm, *, status: int = 200) -> web.Response:
        choices = lifetimes(self._store.clock.time())
        return await self._show(request, "create.html", status=status, form=form, lifetimes=choices)

    async def _show_secret(self, request: PageRequest) -> web.Response:
        shown_once = request.session.one_time_secrets.take(request.http.match_info["form_id"])
        if shown_once is None:
            return await self._show(request, "already_shown.html", status=410)
        record, replaced = shown_once.new_key.record, shown_once.replaced
        values = {
            "org_id": self._store.org_id,
            "api_key": record.api_key,
            "api_secret": shown_once.new_key.api_secret,
        }
        stored = _variables(self._access.url(request), values)
        return await self._show(
            request,
            "secret.html",
            record=record,
            replaced=None if replaced is None else self._row(replaced),
            values=values,
            exports=_shell_lines(stored),
            env_file=_env_file(stored),
        )

    async def _history(self, request: PageRequest) -> web.Response:
        record = self._record(request)
        events = await self._store.keys.events(record.api_key)
        history = History.of(events, request.http.query.get("events", ""), self._store.clock.time())
        return await self._show(request, "history.html", row=self._row(record), history=history)

    async def _ask_rotate(self, request: PageRequest) -> web.Response:
        record = self._record(request)
        form = rotation(request.http.query, overlaps(record, self._store.clock.time()))
        return await self._show_rotate(request, record, form)

    async def _rotate(self, request: PageRequest) -> web.Response:
        record, form = self._record(request), read_rotation(request.form)
        if form.errors:
            return await self._show_rotate(request, record, form, status=422)
        try:
            new_key = await self._store.keys.rotate(
                record.api_key,
                overlap=float(form.values["overlap"]),
                again=form.values["again"] == "yes",
                audit=_audit_context(request, form),
            )
        except ConflictError as error:
            if error.error_code == "api_key_replaced":
                again = form.failed("Confirm that it is to be rotated once more.", "again")
            else:
                again = form.failed(f"Not rotated: {error.message}.")
            return await self._show_rotate(request, self._record(request), again, status=409)
        return _redirect_to_secret(
            request, form, OneTimeSecret(new_key, self._store.keys.get_key(record.api_key))
        )

    async def _show_rotate(
        self, request: PageRequest, record: KeyRecord, form: KeyForm, *, status: int = 200
    ) -> web.Response:
        choices = overlaps(record, self._store.clock.time())
        row = self._row(record)
        return await self._show(request, "rotate.html", status=status, row=row, form=form, overlaps=choices)

    async def _ask_revoke(self, request: PageRequest) -> web.Response:
        return await self._show_revoke(request, self._record(request), revocation(request.http.query))

    async def _revoke(self, request: PageRequest) -> web.Response:
        record = self._record(request)
        form = read_revocation(request.form, record)
        if form.errors:
            return await self._show_revoke(request, record, form, status=422)
        reason = form.values["reason"].strip() or None
        await self._store.keys.revoke(record.api_key, reason=reason, audit=_audit_context(request))
        request.session.notice = self._revoked_notice(record, reason)
        return redirect(f"{request.view.link(request.link(KEYS))}#notice")

    def _revoked_notice(self, before: KeyRecord, reason: str | None) -> str:
        if before.revoked_at is None:
            return f"{before.name} is revoked: requests with it are refused from now on."
        at = instant(before.revoked_at, self._store.clock.time())
        first = f"{before.name} was revoked already, {at.words} ({at.minute})"
        given = f", with the reason \u201c{before.revoked_reason}\u201d" if before.revoked_reason else ""
        kept = ". A revocation is final: your new reason was not recorded." if reason else "."
        return f"{first}{given}{kept}"

    async def _show_revoke(
        self, request: PageRequest, record: KeyRecord, form: KeyForm, *, status: int = 200
    ) -> web.Response:
        return await self._show(request, "revoke.html", status=status, row=self._row(record), form=form)

    def _record(self, request: PageRequest) -> KeyRecord:
        return self._store.keys.get_key(request.http.match_info["api_key"])

    def _row(self, record: KeyRecord) -> Row:
        use = self._store.audit_log.last_use(record.api_key)
        return Row.of(record, now=self._store.clock.time(), last_use=use)

    async def _show(
        self, request: PageRequest, name: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        table = Table.of(map(self._row, self._store.keys.all()), request.view)
        shown: dict[str, Any] = {
            "table": table,
            "view": table.view,
            "everything": View(status="all"),
            "org_id": self._store.org_id,
            "environments": ENVIRONMENTS,
            "tabs": TABS,
            "sorts": SORTS,
            "notice": None,
            "dialog": _DIALOGS.get(name),
        }
        return await self._access.show(request, name, status=status, **{**shown, **context})


def _audit_context(request: PageRequest, form: KeyForm | None = None) -> AuditContext:
    once = None if form is None else f"page:{form.form_id}"
    return AuditContext("admin", request.http.remote, once, request.http.headers.get("User-Agent"))


def _redirect_to_secret(request: PageRequest, form: KeyForm, shown_once: OneTimeSecret) -> web.Response:
    request.session.one_time_secrets.put(form.form_id, shown_once)
    return redirect(request.link(f"{KEYS}/created/{form.form_id}"))


def _variables(url: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a client: both URLs, and the credentials in `values`."""
    credentials = {CREDENTIAL_VARIABLES[name][0]: value for name, value in values.items()}
    return {OPTION_VARIABLES["base_url"]: url, OPTION_VARIABLES["auth_api_url"]: url, **credentials}


def _shell_lines(variables: Mapping[str, str]) -> str:
    """Return `export` lines for a POSIX shell."""
    return "\n".join(f"export {name}={_quoted(value)}" for name, value in variables.items())


def _env_file(variables: Mapping[str, str]) -> str:
    """Return the lines of a `.env` file, as Docker Compose, dotenv and `FileCredentials` read it."""
    return "\n".join(f"{name}={_quoted(value)}" for name, value in variables.items())


def _quoted(value: str) -> str:
    # Always, although letters and digits need none: what replaces them later may.
    return "'" + value.replace("'", "'\"'\"'") + "'"
