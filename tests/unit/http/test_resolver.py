from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from scope_async.http import resolver as module
from scope_async.http.resolver import MOST_HANGING, ThreadResolver

ADDRESSES = [
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 443, 0, 0)),
]


class System:
    """The system's resolver: answers while it is `well`, and counts the look-ups."""

    def __init__(self) -> None:
        self.well = threading.Event()
        self.well.set()
        self.asked: list[str] = []

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[tuple]:
        self.asked.append(host)
        self.well.wait(20)
        if host == "absent.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ADDRESSES


@pytest.fixture
def system(monkeypatch) -> Iterator[System]:
    found = System()
    monkeypatch.setattr(module.socket, "getaddrinfo", found.getaddrinfo)
    yield found
    found.well.set()


async def test_resolve_returns_the_addresses(system) -> None:
    found = await ThreadResolver(timeout=5).resolve("scope.example", 443, socket.AF_UNSPEC)
    assert [(one["host"], one["port"], one["family"], one["hostname"]) for one in found] == [
        ("192.0.2.1", 443, socket.AF_INET, "scope.example"),
        ("2001:db8::1", 443, socket.AF_INET6, "scope.example"),
    ]


async def test_resolve_of_this_machine_needs_no_fake() -> None:
    found = await ThreadResolver(timeout=5).resolve("localhost", 80, socket.AF_INET)
    assert [one["host"] for one in found] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "the system has no address of 'odd.example'"),
        (UnicodeError("label too long"), "not the name of a host"),
    ],
)
async def test_resolve_says_what_is_wrong_with_a_name(monkeypatch, found, message) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[tuple]:
        if isinstance(found, UnicodeError):
            raise found
        return found

    monkeypatch.setattr(module.socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError, match=message):
        await ThreadResolver(timeout=5).resolve("odd.example", 443)


async def test_resolve_raises_what_the_system_says(system) -> None:
    with pytest.raises(socket.gaierror):
        await ThreadResolver(timeout=5).resolve("absent.example", 443)


async def test_resolve_needs_no_pool_of_the_application(system) -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as full:
        asyncio.get_running_loop().set_default_executor(full)
        full.submit(release.wait, 20)
        assert await ThreadResolver(timeout=5).resolve("scope.example", 443)
        release.set()


async def test_resolve_shares_a_look_up_that_is_under_way(system) -> None:
    system.well.clear()
    resolver = ThreadResolver(timeout=5)
    waiting = [asyncio.create_task(resolver.resolve("scope.example", 443)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    system.well.set()
    assert len(await asyncio.gather(*waiting[1:])) == 4
    assert system.asked == ["scope.example"]


async def test_resolve_gives_up_after_its_timeout_and_holds_few_threads(system) -> None:
    system.well.clear()
    resolver = ThreadResolver(timeout=0.01)
    for _ in range(MOST_HANGING):
        with pytest.raises(TimeoutError):
            await resolver.resolve("scope.example", 443)
        await asyncio.sleep(0.01)
    for _ in range(3):
        with pytest.raises(OSError, match="name resolution hangs"):
            await resolver.resolve("scope.example", 443)
    assert len(system.asked) == MOST_HANGING
    system.well.set()
    while any(thread.name == "scope-async" for thread in threading.enumerate()):
        await asyncio.sleep(0.01)
    resolver._timeout = 60.0  # a thread may take longer to begin than those that never end were given
    assert await resolver.resolve("scope.example", 443)
