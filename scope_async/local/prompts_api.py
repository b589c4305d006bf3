"""Prompt versions, as contract 1.3 reads them."""

from __future__ import annotations

from aiohttp import web

from scope_async.local.access import Access
from scope_async.local.call import Call, Refusal, Route
from scope_async.local.store import Store

_NAME_LIMIT = 255
# A percent-encoded slash or brace is part of the name, so everything but a plain slash fits.
_PROMPT = "/api/v1/prompts/{name:[^/]+}"


class PromptsApi:
    """Answers with bytes that were made when the version last changed."""

    def __init__(self, store: Store, access: Access) -> None:
        self._prompts = store.prompts
        self._access = access

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", f"{_PROMPT}/production", "prompt", self._production),
            Route("GET", f"{_PROMPT}/latest", "prompt", self._latest),
            Route("GET", f"{_PROMPT}/versions/{{version_id:[^/]+}}", "prompt", self._version),
        )

    async def _production(self, call: Call) -> web.Response:
        self._access.key_of(call)
        return _reply(self._prompts.labelled(_name(call), "production"))

    async def _latest(self, call: Call) -> web.Response:
        self._access.key_of(call)
        return _reply(self._prompts.labelled(_name(call), "latest"))

    async def _version(self, call: Call) -> web.Response:
        self._access.key_of(call)
        return _reply(self._prompts.versioned(_name(call), call.request.match_info["version_id"]))


def _name(call: Call) -> str:
    name = call.request.match_info["name"]
    if len(name) > _NAME_LIMIT:
        raise Refusal(422, "validation_error", f"name: 1 to {_NAME_LIMIT} characters, got {len(name)}")
    return name


def _reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
