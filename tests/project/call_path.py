"""Counts what one call runs through: `python -m tests.project.call_path [--trace]`.

Of the package's own code, Local Scope left out: the functions entered, the files they are in, and
the re-entries, which are entries into a file that the path had left for another one. A coroutine
counts once, however often it is resumed. Tasks that were there before, such as the loop that
refreshes the token, have paths of their own. `--trace` prints the path itself.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType

import attrs

from scope_async import ScopeClient
from scope_async.local import LocalScope
from scope_async.stores import SharedStore

PACKAGE = Path(sys.modules["scope_async"].__file__ or "").parent
LOCAL = PACKAGE / "local"


@attrs.frozen
class CallPath:
    """The calls in their order, each a file relative to the package and a function."""

    calls: list[tuple[str, str]]

    @property
    def functions(self) -> int:
        return len(set(self.calls))

    @property
    def files(self) -> int:
        return len({file for file, _ in self.calls})

    @property
    def re_entries(self) -> int:
        """Return how often the path comes to a file that it was in before, other than its last one."""
        entered = [self.calls[0][0]] if self.calls else []
        entered += [file for (before, _), (file, _) in pairwise(self.calls) if file != before]
        return len(entered) - len(set(entered))


def _is_ours(frame: FrameType | None) -> bool:
    """Return True for the package's code, unless Local Scope called it."""
    if frame is None or not Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
        return False
    while frame is not None:
        if Path(frame.f_code.co_filename).is_relative_to(LOCAL):
            return False
        frame = frame.f_back
    return True


@contextmanager
def recorded() -> Iterator[CallPath]:
    """Record the calls of this thread until the end of the block."""
    calls: list[tuple[str, str]] = []
    frames: dict[int, FrameType] = {}  # kept, so that no frame gets the identity of an earlier one
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or id(frame) in frames or asyncio.current_task(loop) in others:
            return
        if _is_ours(frame):
            frames[id(frame)] = frame
            path = Path(frame.f_code.co_filename).relative_to(PACKAGE)
            calls.append((str(path), frame.f_code.co_qualname))

    # What ends the lives of objects of before is no part of the path.
    gc.collect()
    gc.disable()
    sys.setprofile(note)
    try:
        yield CallPath(calls)
    finally:
        sys.setprofile(None)
        gc.enable()


async def cached_read(local: LocalScope, scope: ScopeClient) -> CallPath:
    """Return the path of a read whose prompt is fresh in memory."""
    await scope.get_prompt_version("greeting")
    with recorded() as path:
        await scope.get_prompt_version("greeting")
    return path


async def cold_miss(local: LocalScope, scope: ScopeClient) -> CallPath:
    """Return the path of a read whose prompt is not in memory; a token and a connection are at hand."""
    with recorded() as path:
        await scope.get_prompt_version("greeting")
    return path


async def stale_if_error(local: LocalScope, scope: ScopeClient) -> CallPath:
    """Return the path of a read that waits for a 503, until it returns the copy in memory."""
    await scope.get_prompt_version("greeting")
    local.faults.status("prompt", 503)
    with recorded() as path:
        version = await scope.get_prompt_version("greeting", cache_ttl=1e-9)
    assert version.is_stale
    return path


async def token_read(local: LocalScope, scope: ScopeClient) -> CallPath:
    """Return the path of a caller who asks for a token that is valid."""
    await scope.tokens.get()
    with recorded() as path:
        await scope.tokens.get()
    return path


async def token_renewal(local: LocalScope, scope: ScopeClient) -> CallPath:
    """Return the path of a caller whose token was refused, until it has the next one."""
    scope.tokens.invalidate(await scope.tokens.get())
    with recorded() as path:
        await scope.tokens.get()
    return path


SCENARIOS: dict[str, Callable[[LocalScope, ScopeClient], Awaitable[CallPath]]] = {
    "cached read": cached_read,
    "cold miss": cold_miss,
    "503 with a copy": stale_if_error,
    "token read": token_read,
    "token renewal": token_renewal,
}


async def measured(name: str, store: SharedStore | None = None) -> CallPath:
    """Return the path of one scenario, on a Local Scope and a client of its own."""
    async with LocalScope() as local:
        for prompt in ("greeting", "another"):
            await local.add_prompt(prompt, "Hello, {{name}}!")
        async with ScopeClient(
            local.credentials,
            base_url=local.url,
            auth_api_url=local.url,
            stale_while_revalidate=0,
            retry_base_delay=0.0,
            store=store,
        ) as scope:
            await scope.get_prompt_version("another")
            return await SCENARIOS[name](local, scope)


def described(name: str, path: CallPath, *, trace: bool) -> Iterator[str]:
    """Return the lines of a report."""
    yield f"{name:16} {path.functions:3} functions {path.files:3} files {path.re_entries:3} re-entries"
    if trace:
        yield from (f"    {file:38} {function}" for file, function in path.calls)


async def main() -> None:
    for name in SCENARIOS:
        lines = described(name, await measured(name), trace="--trace" in sys.argv)
        sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    asyncio.run(main())
