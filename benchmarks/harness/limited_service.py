"""A service whose auth API lets through so many exchanges in a second; its tokens live for a short time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from benchmarks.harness.stub_server import VERSION

WINDOW = 1.0
"""Seconds over which the exchanges are counted."""


class LimitedService:
    """Counts exchanges: `granted`, and `refused` with 429. A token that has expired is answered with 401."""

    def __init__(self, *, lifetime: float, limit: int) -> None:
        self.url = ""
        self.granted = self.refused = 0
        self._lifetime = lifetime
        self._limit = limit
        self._recent: deque[float] = deque()
        self._expires_at: dict[str, float] = {}

    async def exchange(self, _: web.Request) -> web.Response:
        now = time.monotonic()
        while self._recent and now - self._recent[0] >= WINDOW:
            self._recent.popleft()
        if len(self._recent) >= self._limit:
            self.refused += 1
            headers = {"Retry-After": f"{WINDOW:g}"}
            return web.json_response({"error": "too many logins"}, status=429, headers=headers)
        self._recent.append(now)
        self.granted += 1
        token = f"token-{self.granted}"
        self._expires_at[token] = now + self._lifetime
        return web.json_response(
            {"access_token": token, "expires_in": self._lifetime, "token_type": "Bearer"}
        )

    async def prompt(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if time.monotonic() >= self._expires_at.get(token, 0.0):
            return web.json_response({"error": "unauthorized"}, status=401)
        return web.json_response(VERSION)


@asynccontextmanager
async def limited_service(*, lifetime: float, limit: int) -> AsyncIterator[LimitedService]:
    """Run the service in this event loop."""
    service = LimitedService(lifetime=lifetime, limit=limit)
    app = web.Application()
    app.router.add_post("/{path:.*}", service.exchange)
    app.router.add_get("/{path:.*}", service.prompt)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        await runner.cleanup()
