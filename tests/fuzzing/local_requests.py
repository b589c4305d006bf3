"""Requests of any bytes to a running Local Scope: none is answered with a server error."""

from __future__ import annotations

import socket
from typing import Self
from urllib.parse import urlsplit

from scope_async.local import LocalScope

ROUTES = (
    "POST /v1/auth/applications/login",
    "POST /v1/auth/sdk-token",
    "GET /api/v1/prompts/greeting/production",
    "GET /api/v1/prompts/greeting/versions/x",
    "POST /api/v1/api-keys",
    "GET /api/v1/api-keys",
    "POST /api/v1/api-keys/key_development/rotate",
    "POST /local/prompts",
    "GET /local/prompts/greeting/history",
    "POST /local/clock",
    "PUT /local/state",
    "GET /local/journal",
    "POST /settings/sign-in",
    "GET /settings/keys",
)
_PATIENCE = 5.0


class LocalRequests:
    """A Local Scope with one prompt, and what it answers to bytes; close it with `with`."""

    def __init__(self) -> None:
        self._local = LocalScope(prompts={"greeting": "Hello, {{name}}!"})

    def __enter__(self) -> Self:
        self._local.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._local.__exit__(None, None, None)

    def __call__(self, data: bytes) -> None:
        """Send a request: its first byte chooses a route; headers, an empty line and the body follow."""
        head, _, body = data[1:].partition(b"\n\n")
        route = ROUTES[(data[0] if data else 0) % len(ROUTES)]
        lines = [
            f"{route} HTTP/1.1".encode(),
            f"Host: {urlsplit(self._local.url).netloc}".encode(),
            f"Authorization: Bearer {self._local.admin_token}".encode(),
            f"Content-Length: {len(body)}".encode(),
            b"Connection: close",
            *(line for line in head.split(b"\n") if line),
        ]
        status = self._status(b"\r\n".join([*lines, b"", body]))
        assert status is None or status < 500, status

    def _status(self, request: bytes) -> int | None:
        """Return the status of the answer; None if the connection was closed without one."""
        address = urlsplit(self._local.url)
        assert address.hostname is not None
        with socket.create_connection((address.hostname, address.port or 80), _PATIENCE) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                start = connection.makefile("rb").readline(1_000)
            except ConnectionError:
                return None
        return int(start.split()[1]) if start else None
