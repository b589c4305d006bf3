"""Routes requests; adds request ids, error replies, injected faults and journal entries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from scope_async.errors import ApiError, ValidationError
from scope_async.local.faults.registry import Faults
from scope_async.local.web.fault_injection import FaultInjector
from scope_async.local.web.journal import Journal
from scope_async.local.web.listener import WaitingConnections
from scope_async.local.web.request import ApiProblem, Handler, RequestContext, Route, error_reply
from scope_async.local.web.request_guard import RequestGuard

_logger = logging.getLogger("scope_async.local")


class Router:
    """Wraps the handlers of routes with request ids, error replies, faults and the journal.

    A wrapper is cheaper than aiohttp middlewares: the common path has one extra call.
    """

    def __init__(
        self, faults: Faults, journal: Journal, guard: RequestGuard, waiting: WaitingConnections
    ) -> None:
        self._faults = faults
        self._journal = journal
        self._guard = guard
        self._waiting = waiting
        self._fault_injector = FaultInjector(faults, journal)

    def add(self, app: web.Application, *routes: Route) -> None:
        """Serve `routes`, and 405 for the other methods of their paths.

        All routes of a path must be added in one call.
        """
        methods: dict[str, list[str]] = {}
        for route in routes:
            methods.setdefault(route.path, []).append(route.method)
            app.router.add_route(route.method, route.path, self._wrap(route))
        for path, allowed in methods.items():
            refuse = _refusing(405, "method_not_allowed", {"Allow": ", ".join(allowed)})
            app.router.add_route("*", path, self._wrap(Route("*", path, "unknown", refuse)))

    def add_rest(self, app: web.Application) -> None:
        """Serve 404 for every other path; call it last, because the first match answers."""
        path = "/{rest:(?s:.*)}"
        rest = Route("*", path, "unknown", _refusing(404, "not_found", {}))
        app.router.add_route("*", path, self._wrap(rest))

    def _wrap(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        operation, handler = route.operation, route.handler
        # The pages check hosts and sites themselves, and answer with a page; health says nothing.
        is_guarded = operation not in ("page", "health")

        async def serve(request: web.Request) -> web.StreamResponse:
            context = RequestContext(request, operation)
            self._waiting.discard(request.protocol)
            self._journal.arrive(context)
            try:
                if is_guarded and (problem := self._refusal(context)) is not None:
                    response: web.StreamResponse = problem
                elif self._faults.active:
                    response = await self._fault_injector.serve(
                        context, lambda: _run_handler(context, handler)
                    )
                else:
                    response = await _run_handler(context, handler)
            except asyncio.CancelledError:
                # The client disconnected, or Local Scope closes.
                self._journal.add(context, None)
                raise
            self._journal.add(context, response.status)
            if not response.prepared:
                response.headers["X-Request-ID"] = context.request_id
            return response

        return serve

    def _refusal(self, context: RequestContext) -> web.Response | None:
        # Before faults and throttle see the request, so that a foreign page cannot use them up.
        try:
            self._guard.check(context.request)
        except ApiProblem as refusal:
            context.code = refusal.code
            return error_reply(refusal.status, refusal.code, refusal.message, refusal.headers)
        return None


async def _run_handler(context: RequestContext, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(context)
    except ApiProblem as refusal:
        context.code = refusal.code
        return error_reply(refusal.status, refusal.code, refusal.message, refusal.headers)
    except ValidationError as error:
        context.code = "validation_error"
        return error_reply(400, context.code, str(error))
    except ApiError as error:
        context.code = error.error_code or "internal_error"
        return error_reply(error.http_status or 500, context.code, error.message)
    except web.HTTPRequestEntityTooLarge:
        context.code = "body_too_large"
        return error_reply(413, context.code, "the body is larger than this service reads")
    # Every failure is answered in JSON; its cause goes to the log only.
    except Exception:
        _logger.exception(
            "%s %s failed (request id %s)", context.request.method, context.operation, context.request_id
        )
        context.code = "internal_error"
        return error_reply(500, context.code, "Local Scope failed; its log says why")


def _refusing(status: int, code: str, headers: dict[str, str]) -> Handler:
    async def refuse(context: RequestContext) -> web.StreamResponse:
        raise ApiProblem(
            status, code, f"there is no {context.request.method} {context.request.path[:200]}", headers
        )

    return refuse
