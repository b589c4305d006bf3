"""Several processes, which stop at any point."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import subprocess
import time

from scope_async.stores import Lease, SharedStore, store_from_url
from tests.integration.stores import store_process
from tests.integration.stores.store_process import NAME

_KILLS = 5


async def content_of(store: SharedStore, namespace: str) -> bytes:
    entry = await store.get(namespace, NAME)
    assert entry is not None
    return entry.content


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


async def test_fenced_off_holder_overwrites_nothing(store, store_url) -> None:
    namespace = secrets.token_hex(20)
    with store_process.start(store_url, namespace, "hold") as holder:
        try:
            assert line_of(holder) == "holding\n"
            holder.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.6)
            lease = await store.acquire(namespace, NAME, owner=secrets.token_hex(16), duration=5)
            assert isinstance(lease, Lease)
            assert await store.put(lease, b"in time", lifetime=60)
            holder.send_signal(signal.SIGCONT)
            print(file=holder.stdin, flush=True)
            assert line_of(holder) == "False\n"
        finally:
            holder.kill()
    assert await content_of(store, namespace) == b"in time"


def stop(process: subprocess.Popen[str]) -> list[int]:
    """End a process at once and return the numbers that it wrote since the last one that was read."""
    with process:
        process.kill()
        assert process.stdout is not None
        return [int(line) for line in process.stdout]


def test_processes_that_are_killed_at_any_point_lose_no_write(store_url) -> None:
    namespace = secrets.token_hex(20)
    draw = random.Random(7)
    running = [store_process.start(store_url, namespace, "count") for _ in range(3)]
    written: list[int] = []
    try:
        for _ in range(_KILLS):
            victim = running.pop(0)
            written.append(int(line_of(victim)))
            time.sleep(0.1 * draw.random())
            written += stop(victim)
            running.append(store_process.start(store_url, namespace, "count"))
    finally:
        for process in running:
            written += stop(process)
    assert len(written) >= _KILLS
    # Printed after it was written: a number may be missing, and none is there twice.
    assert len(set(written)) == len(written)
    with asyncio.Runner() as runner:
        last = store_from_url(store_url)
        number = int(runner.run(content_of(last, namespace)))
        runner.run(last.aclose())
    assert max(written) <= number <= len(written) + _KILLS + 3
