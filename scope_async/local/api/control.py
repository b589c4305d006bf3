"""The control API: faults, clock, journal and state, for tests in any language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from scope_async._core.clock import FakeClock
from scope_async.errors import ValidationError
from scope_async.local.faults.registry import ActiveFault, Faults
from scope_async.local.faults.spec import Fault
from scope_async.local.timestamps import iso
from scope_async.local.web.authentication import Authenticator, Role
from scope_async.local.web.journal import Journal
from scope_async.local.web.request import ApiProblem, Handler, RequestContext, Route, reply

_STATE_LIMIT = 256 * 1024 * 1024
_MAX_ADVANCE = 1e9
"""Seconds, some 30 years, for one move and for all of them: dates end in the year 9999."""


class Controlled(Protocol):
    """The part of `LocalScope` that the control API calls."""

    clock: FakeClock
    faults: Faults
    journal: Journal

    async def reset(self) -> None: ...
    async def export_state(self) -> dict[str, Any]: ...
    async def import_state(self, state: Mapping[str, Any]) -> None: ...


class ControlApi:
    """`/local/…`: the methods of `LocalScope` over HTTP, for an administrator.

    Its requests count as `control`, which faults leave alone: a fault can always be removed.
    """

    def __init__(self, authenticator: Authenticator, scope: Controlled) -> None:
        self._authenticator = authenticator
        self._scope = scope

    def routes(self) -> tuple[Route, ...]:
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/local/faults", self._list_faults),
            ("POST", "/local/faults", self._add_fault),
            ("DELETE", "/local/faults", self._clear_faults),
            ("DELETE", "/local/faults/{id:[^/]+}", self._remove_fault),
            ("GET", "/local/clock", self._clock),
            ("POST", "/local/clock", self._advance),
            ("GET", "/local/journal", self._journal),
            ("DELETE", "/local/journal", self._clear_journal),
            ("POST", "/local/reset", self._reset),
            ("GET", "/local/state", self._export),
            ("PUT", "/local/state", self._import),
        )
        return tuple(
            Route(method, path, "control", self._guarded(handler)) for method, path, handler in table
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def serve(context: RequestContext) -> web.StreamResponse:
            self._authenticator.require(context, Role.ADMIN)
            return await handler(context)

        return serve

    async def _list_faults(self, _: RequestContext) -> web.Response:
        return reply({"data": [_fault(active) for active in self._scope.faults.active]})

    async def _add_fault(self, context: RequestContext) -> web.Response:
        fields = await context.fields(optional=None)
        text = fields.get("fault")
        fault = (
            Fault.parse(text) if isinstance(text, str) and len(fields) == 1 else Fault.from_document(fields)
        )
        return reply(_fault(self._scope.faults.add(fault)), status=201)

    async def _clear_faults(self, _: RequestContext) -> web.Response:
        self._scope.faults.clear()
        return reply({"data": []})

    async def _remove_fault(self, context: RequestContext) -> web.Response:
        fault_id = context.request.match_info["id"]
        for active in self._scope.faults.active:
            if str(active.id) == fault_id:
                active.remove()
                return reply(_fault(active))
        raise ApiProblem(404, "fault_not_found", f"fault {fault_id} is not active")

    async def _clock(self, _: RequestContext) -> web.Response:
        return self._now()

    async def _advance(self, context: RequestContext) -> web.Response:
        seconds = (await context.fields(required=("advance",)))["advance"]
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not 0 <= seconds < _MAX_ADVANCE
        ):
            raise ValidationError("advance: seconds, from 0 to a thousand million")
        if self._scope.clock.monotonic() + seconds >= _MAX_ADVANCE:
            raise ValidationError("advance: the clock has moved by a thousand million seconds; start again")
        self._scope.clock.advance(seconds)
        return self._now()

    def _now(self) -> web.Response:
        now = self._scope.clock.time()
        return reply({"now": iso(now), "time": now})

    async def _journal(self, context: RequestContext) -> web.Response:
        operation = context.request.query.get("operation")
        entries = [e for e in self._scope.journal.entries if operation in (None, e.operation)]
        counts = {name: self._scope.journal.count(name) for name in ("exchange", "prompt", "keys", "any")}
        return reply({"data": [entry.document() for entry in entries], "counts": counts})

    async def _clear_journal(self, _: RequestContext) -> web.Response:
        self._scope.journal.clear()
        return reply({"data": []})

    async def _reset(self, _: RequestContext) -> web.Response:
        await self._scope.reset()
        return reply({"status": "ok"})

    async def _export(self, _: RequestContext) -> web.Response:
        return reply(await self._scope.export_state(), headers={"Cache-Control": "no-store"})

    async def _import(self, context: RequestContext) -> web.Response:
        await self._scope.import_state(await context.fields(optional=None, limit=_STATE_LIMIT))
        return reply({"status": "ok"})


def _fault(active: ActiveFault) -> dict[str, Any]:
    return {"id": active.id, **active.fault.document(), "hits": active.hits, "left": active.left}
