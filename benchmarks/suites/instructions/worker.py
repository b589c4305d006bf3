"""Makes a number of calls of one case, for callgrind to count.

python -m benchmarks.suites.instructions.worker NAME CALLS URL
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.harness.case import Case, CaseSetup, Timer, timed_awaits
from benchmarks.harness.closed_loop import bare_fetch, bare_session
from benchmarks.harness.stub_server import CHANGING, CREDENTIALS, SAME
from benchmarks.suites.instructions import NAMES
from benchmarks.suites.micro import decoding, prompt_reads, rendering, token_reads
from scope_async import ScopeClient

WARM_UP = 30


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Timer]:
    async with bare_session() as session:
        yield timed_awaits(bare_fetch(session, url, SAME))


def uncached(name: str) -> CaseSetup:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Timer]:
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
            yield timed_awaits(lambda: scope.get_prompt_version(name, cache=False))

    return opened


CASES = dict(
    zip(
        NAMES,
        (
            Case(bare),
            Case(uncached(SAME)),
            Case(uncached(CHANGING)),
            prompt_reads.CASES["cached get_prompt_version"],
            token_reads.CASES["await get()"],
            rendering.CASES["render(name=…, app=…)"],
            decoding.CASES["decode a prompt version"],
            decoding.CASES["json.loads of a prompt version"],
        ),
        strict=True,
    )
)


async def make_calls(case: Case, calls: int, url: str) -> None:
    """Make `calls` calls after a few that warm the interpreter up."""
    async with case.setup(url) as timer:
        await timer(WARM_UP)
        await timer(calls)


def main(name: str, calls: str, url: str) -> None:
    # When the collector runs depends on all that the process has done before.
    gc.disable()
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    asyncio.run(make_calls(CASES[name], int(calls), url))


if __name__ == "__main__":
    main(*sys.argv[1:])
