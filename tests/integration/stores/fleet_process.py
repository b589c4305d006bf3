"""One process of a fleet: calls until its input ends, then says how that went.

`python -m …fleet_process WHAT`: `tokens` asks the service in every call, `prompts` reads through the
cache. Prints `ready`, `leading` when it exchanges for all, and at the end a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from scope_async import ScopeClient, ScopeError
from scope_async.telemetry.events import Event, LeaseTaken

_PAUSE = 0.05


class Calls:
    """What became of the calls; times in seconds."""

    def __init__(self) -> None:
        self.made = 0
        self.errors: list[str] = []
        self.slowest = 0.0

    async def make(self, scope: ScopeClient, what: str) -> None:
        started = time.monotonic()
        self.made += 1
        try:
            await scope.get_prompt_version("greeting", cache_ttl=0 if what == "tokens" else None)
        except ScopeError as error:
            self.errors.append(repr(error))
        self.slowest = max(self.slowest, time.monotonic() - started)


def report_lease(event: Event) -> None:
    if isinstance(event, LeaseTaken) and event.kind == "token":
        print("leading", flush=True)


async def main(what: str) -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    calls = Calls()
    ttl = {"cache_ttl": 2.0} if what == "prompts" else {}
    async with ScopeClient.from_env(hooks=[report_lease], **ttl) as scope:
        ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        while not ended.done():
            await calls.make(scope, what)
            await asyncio.wait({ended}, timeout=_PAUSE)
    print(json.dumps({"calls": calls.made, "errors": calls.errors[:3], "slowest": calls.slowest}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
