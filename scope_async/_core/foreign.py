"""Awaits code of others: what they raise that is no `Exception` is a failure of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")

ENDINGS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
"""What ends a task, a coroutine or the process: passed on, whatever is under way."""


class ForeignCancellation(Exception):  # noqa: N818 - named as CancelledError is
    """The awaited code of others was cancelled, and not the task that awaits it."""


class Panic(Exception):  # noqa: N818 - the word of those who raise it
    """Stands for a `BaseException` of another package, which is its cause.

    The panic of an extension in Rust is one, and so is the failure of a test. Passed on it would end the
    client's background tasks, as if the client had been closed.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.__cause__ = error


async def isolate(call: Awaitable[Result]) -> Result:
    """Return the result of `call`; a cancellation inside it that is not one of this task is a failure.

    A provider or a store may await something of its own that was cancelled. Passed on, its
    `CancelledError` would end the client's background tasks as if they had been cancelled,
    and every caller would try again at once. So would the panic of an extension.

    Raises:
        ForeignCancellation: `call` raised `CancelledError` and this task is not being cancelled.
        Panic: it raised another `BaseException`.
    """
    try:
        return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ForeignCancellation from error
    except (Exception, *ENDINGS):
        raise
    except BaseException as error:
        raise Panic(error) from error
