"""Makes a number of calls of one case, for callgrind to count.

python -m benchmarks.suites.instructions.worker NAME CALLS URL
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.callgrind import counted
from benchmarks.harness.case import Case, CaseSetup, Timer, simple_case, timed_awaits, timed_calls
from benchmarks.harness.closed_loop import bare_fetch, bare_session
from benchmarks.harness.stub_server import CHANGING, CREDENTIALS, new_credentials
from benchmarks.harness.stub_server import SAME as PROMPT
from benchmarks.suites import instructions as cases
from benchmarks.suites.micro import decoding, prompt_reads, rendering, token_reads
from scope_async import ScopeClient

WARM_UP = 30


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Timer]:
    async with bare_session() as session:
        yield timed_awaits(bare_fetch(session, url, PROMPT))


def uncached(name: str) -> CaseSetup:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Timer]:
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
            yield timed_awaits(lambda: scope.get_prompt_version(name, cache=False))

    return opened


@asynccontextmanager
async def beside_a_store(url: str) -> AsyncIterator[Timer]:
    with TemporaryDirectory() as folder:
        store = Path(folder).as_uri()
        async with ScopeClient(new_credentials(), base_url=url, auth_api_url=url, store_url=store) as scope:
            await scope.get_prompt_version(PROMPT)
            yield timed_awaits(lambda: scope.get_prompt_version(PROMPT))


def lookup() -> Timer:
    versions = {PROMPT: object()}

    def read(name: str) -> object:
        return versions[name]

    return timed_calls(lambda: read(PROMPT))


CASES: Mapping[str, Case] = {
    cases.BARE: Case(bare),
    cases.SAME: Case(uncached(PROMPT)),
    cases.NEW: Case(uncached(CHANGING)),
    cases.LOOKUP: prompt_reads.CASES["a dict lookup in a coroutine"],
    cases.CACHED: prompt_reads.CASES["cached get_prompt_version"],
    cases.STORE_CACHED: Case(beside_a_store),
    cases.SYNC_LOOKUP: simple_case(lookup),
    cases.SYNC_CACHED: prompt_reads.CASES["synchronous cached get_prompt_version"],
    cases.PLAIN_TOKEN: token_reads.CASES["await get() in plain Python"],
    cases.TOKEN: token_reads.CASES["await get()"],
    cases.JOIN: rendering.CASES["a join by hand"],
    cases.RENDER: rendering.CASES["render(name=…, app=…)"],
    cases.JSON: decoding.CASES["json.loads of a prompt version"],
    cases.DECODING: decoding.CASES["decode a prompt version"],
}


async def make_calls(case: Case, calls: int, url: str) -> None:
    """Make `calls` calls, which are counted, after a few that warm the interpreter up."""
    async with case.setup(url) as timer:
        await timer(WARM_UP)
        with counted():
            await timer(calls)


def main(name: str, calls: str, url: str) -> None:
    # When the collector runs depends on all that the process has done before.
    gc.disable()
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    asyncio.run(make_calls(CASES[name], int(calls), url))


if __name__ == "__main__":
    main(*sys.argv[1:])
