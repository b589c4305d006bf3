"""A profile (pyinstrument) of uncached requests, package by package."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

from pyinstrument import Profiler
from pyinstrument.frame import Frame

import scope_async
from benchmarks.harness.closed_loop import closed_loop
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS, SAME, server_process
from scope_async import ScopeClient

AT_ONCE = 50
INTERVAL = 0.0005
STANDARD = Path(asyncio.__file__).parent.parent
OURS = Path(scope_async.__file__).parent
LOOP = ("asyncio", "selectors.py")
BENCHMARK = "the benchmark itself"


async def profile(requests: int) -> list[Result]:
    """Return the share of each package in the time of the thread, the time of its C code included."""
    with server_process() as url:
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
            await scope.get_prompt_version(SAME)
            with Profiler(interval=INTERVAL, async_mode="disabled") as profiler:
                await closed_loop(
                    lambda: scope.get_prompt_version(SAME, cache=False), requests=requests, at_once=AT_ONCE
                )
    session = profiler.last_session
    root = session.root_frame(trim_stem=False) if session is not None else None
    shares = _self_times(root) if root is not None else {}
    whole = sum(shares.values())
    return [
        Result.informative(
            f"profile: {name}", Spread.exactly(100 * seconds / whole), "% of the time", digits=0
        )
        for name, seconds in sorted(shares.items(), key=lambda share: -share[1])
        if seconds >= whole / 100
    ]


def _self_times(root: Frame) -> dict[str, float]:
    """Return the seconds spent in the code of each package itself, and in what it calls of C."""
    found: defaultdict[str, float] = defaultdict(float)
    waiting = [(root, BENCHMARK)]
    while waiting:
        frame, caller = waiting.pop()
        owner = package(frame.file_path) or caller
        waiting += [(child, owner) for child in frame.children]
        found[owner] += frame.time - sum(child.time for child in frame.children)
    return found


def package(path: str | None) -> str | None:
    """Return the package that owns a file, for ours with the folder; None for code without a file."""
    if not path or path.startswith("<"):
        return None
    file = Path(path)
    if file.is_relative_to(OURS):
        part, *inside = file.relative_to(OURS).parts
        return f"scope_async/{part}" if inside else "scope_async, the client"
    if "site-packages" in file.parts:
        return file.parts[file.parts.index("site-packages") + 1]
    if file.is_relative_to(STANDARD):
        return "asyncio and sockets" if file.relative_to(STANDARD).parts[0] in LOOP else "standard library"
    return BENCHMARK
