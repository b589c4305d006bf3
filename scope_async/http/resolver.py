"""Name resolution in daemon threads of its own.

aiohttp's default is the event loop's executor, which the application may have filled: no token is
renewed then, although the service is well.
"""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import Future

import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from scope_async._core.concurrency.threads import start_thread

MOST_HANGING = 4
"""Threads that may wait for the system's resolver at a time."""

_Addresses = list[ResolveResult]


class _LookUp(msgspec.Struct, frozen=True):
    future: Future[_Addresses]
    process: int
    started: float


class ThreadResolver(AbstractResolver):
    """Asks the system, `socket.getaddrinfo`, within `timeout` seconds.

    Concurrent callers for the same name share the answer. A look-up that hangs keeps its thread;
    after `timeout` another one is tried, up to `MOST_HANGING` at a time.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._running: dict[tuple[str, int, int], _LookUp] = {}
        self._hanging: list[_LookUp] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            OSError: the system says that there are none, or too many look-ups hang.
            TimeoutError: no answer within `timeout`.
        """
        async with asyncio.timeout(self._timeout):
            return await asyncio.wrap_future(self._look_up(host, port, family).future)

    def _look_up(self, host: str, port: int, family: int) -> _LookUp:
        key, process, now = (host, port, family), os.getpid(), asyncio.get_running_loop().time()
        found = self._running.get(key)
        if found is not None and found.process == process and not found.future.done():
            if now - found.started < self._timeout:
                return found
            self._hanging.append(self._running.pop(key))
        self._hanging = [one for one in self._hanging if one.process == process and not one.future.done()]
        if len(self._hanging) >= MOST_HANGING:
            raise OSError(f"name resolution hangs: {MOST_HANGING} look-ups have no answer")
        look_up = _LookUp(start_thread(lambda: _getaddrinfo(host, port, family)), process, now)
        self._running[key] = look_up
        return look_up

    async def close(self) -> None:
        """Do nothing: a thread that waits for the system ends by itself, or with the process."""


def _getaddrinfo(host: str, port: int, family: int) -> _Addresses:
    """Return the addresses of `host`. Blocks."""
    found: _Addresses = []
    # Addresses of a family that this machine has (RFC 3493); macOS has no such flag of its own.
    flags = socket.AI_ADDRCONFIG & getattr(socket, "AI_MASK", -1)
    try:
        answers = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
    except UnicodeError as error:
        # A label of more than 63 characters, or of none (RFC 1035 section 2.3.4).
        raise OSError(f"{host[:300]!r} is not the name of a host: {error}") from None
    if not answers:
        raise OSError(f"the system has no address of {host!r}")
    for kind, _, protocol, _, address in answers:
        numeric = str(address[0])
        if kind == socket.AF_INET6 and len(address) > 3 and address[3]:  # noqa: PLR2004 - its scope id
            numeric = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
        found.append(
            ResolveResult(
                hostname=host,
                host=numeric,
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
        )
    return found
