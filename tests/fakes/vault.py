"""A Vault of a few lines that writes down what it is asked: for what no real one does on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import attrs
from aiohttp import web
from aiohttp.test_utils import TestServer

VALUES = {"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1"}
MOUNT = {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}


@attrs.frozen
class Asked:
    method: str
    path: str
    headers: Any
    body: Any

    @property
    def token(self) -> str | None:
        return self.headers.get("X-Vault-Token")


Answer = Callable[[Asked], web.Response]


class VaultStub:
    """Answers by path, `answers` first; `asked` is every request so far."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Answer] = {
            "sys/internal/ui/mounts/secret/scope": lambda _: web.json_response(MOUNT),
            "secret/data/scope": lambda _: web.json_response(
                {"data": {"data": VALUES, "metadata": {"version": 1}}}
            ),
            "auth/token/lookup-self": lambda _: web.json_response({"data": {"ttl": 0, "renewable": False}}),
        }

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/v1/{path:.*}", self._answer)
        self._server = TestServer(app)
        await self._server.start_server()
        self.url = str(self._server.make_url("")).rstrip("/")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        asked = Asked(request.method, request.match_info["path"], request.headers, body)
        self.asked.append(asked)
        answer = self.answers.get(asked.path)
        return web.json_response({"errors": []}, status=404) if answer is None else answer(asked)

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]
