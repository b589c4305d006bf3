"""Times every case with pyperf, each in its own processes.

python -m benchmarks.suites.micro.worker --url URL [options of pyperf]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pyperf

from benchmarks.harness.case import Case, Timer
from benchmarks.suites.micro import decoding as wire_decoding
from benchmarks.suites.micro import prompt_reads, token_peers, token_reads
from benchmarks.suites.micro import rendering as prompt_rendering

CASES: Mapping[str, Case] = {
    **token_reads.CASES,
    **token_peers.CASES,
    **prompt_reads.CASES,
    **prompt_rendering.CASES,
    **wire_decoding.CASES,
}


class CaseRunner:
    """The event loop of this process; sets its one case up once and times it repeatedly."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._timer: Timer | None = None

    def seconds(self, times: int, case: Case) -> float:
        return self._runner.run(self._timed(times, case))

    async def _timed(self, times: int, case: Case) -> float:
        if self._timer is None:
            self._timer = await self._stack.enter_async_context(case.setup(self._url))
        return await self._timer(times)

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


def _pass_on(command: list[str], options: argparse.Namespace) -> None:
    command.extend(("--url", options.url))


def main() -> None:
    runner = pyperf.Runner(program_args=("-m", "benchmarks.suites.micro.worker"), add_cmdline_args=_pass_on)
    runner.argparser.add_argument("--url", required=True, help="of benchmarks.harness.stub_server")
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    case_runner = CaseRunner(runner.parse_args().url)
    try:
        for name, case in CASES.items():
            if case.is_available:
                runner.bench_time_func(name, case_runner.seconds, case)
    finally:
        case_runner.close()


if __name__ == "__main__":
    main()
