"""Prompt versions over HTTP (contract 1.3)."""

from __future__ import annotations

from aiohttp import web

from scope_async.local.store.store import Store
from scope_async.local.web.authentication import Authenticator
from scope_async.local.web.request import RequestContext, Route

# A percent-encoded slash or brace is part of the name, so the segment takes all but a plain slash.
_PROMPT = "/api/v1/prompts/{name:[^/]+}"


class PromptsApi:
    """Answers with prompt versions; bodies of labels are encoded once per change."""

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._prompts = store.prompts
        self._authenticator = authenticator

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", f"{_PROMPT}/production", "prompt", self._production),
            Route("GET", f"{_PROMPT}/latest", "prompt", self._latest),
            Route("GET", f"{_PROMPT}/versions/{{version_id:[^/]+}}", "prompt", self._version),
        )

    async def _production(self, context: RequestContext) -> web.Response:
        self._authenticator.authenticate(context)
        return _reply(self._prompts.body_by_label(context.request.match_info["name"], "production"))

    async def _latest(self, context: RequestContext) -> web.Response:
        self._authenticator.authenticate(context)
        return _reply(self._prompts.body_by_label(context.request.match_info["name"], "latest"))

    async def _version(self, context: RequestContext) -> web.Response:
        self._authenticator.authenticate(context)
        match = context.request.match_info
        return _reply(self._prompts.body_by_version(match["name"], match["version_id"]))


def _reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
