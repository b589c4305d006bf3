from __future__ import annotations

import asyncio
import threading

from scope_async._core.concurrency.futures import resolve, running_loop


async def test_resolve_is_immediate_on_the_future_s_loop() -> None:
    future = asyncio.get_running_loop().create_future()
    resolve(future)
    assert future.done()
    resolve(future)


async def test_resolve_reaches_a_loop_of_another_thread() -> None:
    future = asyncio.get_running_loop().create_future()
    threading.Thread(target=resolve, args=(future,)).start()
    await asyncio.wait_for(future, 10)


def test_resolve_ignores_a_closed_loop() -> None:
    with asyncio.Runner() as runner:
        future = runner.get_loop().create_future()
    resolve(future)
    assert not future.done()


def test_running_loop_is_none_outside_of_one() -> None:
    assert running_loop() is None
