"""What a store costs a read from memory: nothing, since it is asked only for what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.harness.closed_loop import cost
from benchmarks.harness.interleave import interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stores import ALONE
from benchmarks.harness.stub_server import SAME, new_credentials, server_process
from scope_async import ScopeClient


async def memory_reads(urls: Mapping[str, str], *, rounds: int, reads: int) -> list[Result]:
    """Return the CPU time of a cached read beside each store, next to that without one."""
    with server_process() as url:
        async with AsyncExitStack() as stack:
            measures = {}
            for name, store in urls.items():
                client = ScopeClient(
                    new_credentials(), base_url=url, auth_api_url=url, store_url=store or None
                )
                scope = await stack.enter_async_context(client)
                await scope.get_prompt_version(SAME)
                measures[name] = cost(partial(scope.get_prompt_version, SAME), 1, reads)
            taken = await interleave(measures, rounds)
    return [
        Result.informative(
            f"cached read beside a {name}",
            Spread.of_ratios(values, taken[ALONE]),
            f"x a cached read {ALONE}",
            detail=f"CPU time {Spread.of(values).show(3)} µs next to {Spread.of(taken[ALONE]).show(3)} µs",
        )
        for name, values in taken.items()
        if name != ALONE
    ]
