"""What a call needs from its caller is run in the caller's own thread, which waits for the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from inspect import isawaitable
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from scope_async._core.foreign import ENDINGS
from scope_async.prompts.fallback import Fallback, call_fallback, check_fallback
from scope_async.prompts.version import PromptVersion


class CallerThread:
    """Runs functions of a synchronous caller in its own thread while that waits for a call.

    In the thread of the event loop they would block all clients of the process, and could use neither
    a synchronous client nor what belongs to their thread, such as a connection to a database.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def fallback(self, fallback: Fallback | None) -> Fallback | None:
        """Return the fallback, of which a function is called in this thread.

        Raises:
            ValidationError: it cannot be one.
        """
        check_fallback(fallback)
        if fallback is None or isinstance(fallback, str | PromptVersion):
            return fallback
        function = fallback

        async def called_here(name: str) -> str | PromptVersion:
            found: Any = await self._run(partial(call_fallback, function, name))
            version: str | PromptVersion = await found if isawaitable(found) else found
            return version

        return called_here

    async def _run(self, function: Callable[[], Any]) -> Any:
        answer: Future[Any] = Future()
        self._jobs.put(partial(_settle, answer, function))
        return await asyncio.wrap_future(answer)

    def wait(self, call: Future[Any], timeout: float) -> bool:
        """Return whether the call is done within `timeout` seconds; run what it needs meanwhile."""
        call.add_done_callback(lambda _: self._jobs.put(_nothing))
        until = monotonic() + timeout
        while not call.done():
            try:
                job = self._jobs.get(timeout=max(0.0, until - monotonic()))
            except Empty:
                break
            job()
        return call.done()


def _settle(answer: Future[Any], function: Callable[[], Any]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except ENDINGS:
        raise  # in this thread, where it belongs
    except BaseException as error:  # noqa: BLE001 - handed to the call
        answer.set_exception(error)
    else:
        answer.set_result(result)


def _nothing() -> None:
    """Wake the thread."""
