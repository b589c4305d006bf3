from __future__ import annotations

import asyncio

import pytest

from scope_async._core.foreign import ForeignCancellation, Panic, isolate


async def test_isolate_turns_a_foreign_one_into_a_failure() -> None:
    async def cancelled_inside() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ForeignCancellation):
        await isolate(cancelled_inside())


class PanicException(BaseException):
    """As the panic of an extension in Rust."""


async def test_isolate_turns_a_panic_into_a_failure_that_names_it() -> None:
    async def panic() -> None:
        raise PanicException("with a secret")

    with pytest.raises(Panic, match=r"^PanicException$"):
        await isolate(panic())


async def test_isolate_passes_on_that_of_its_own_task() -> None:
    task = asyncio.create_task(isolate(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
