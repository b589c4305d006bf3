"""A service that reads its credentials where SCOPE_CREDENTIALS says, as a process of its own.

It asks for a prompt until its stdin ends, and prints a line of JSON for each API key that it comes to use.
"""

from __future__ import annotations

import asyncio
import json
import sys

from scope_async import ScopeClient, ScopeError


def tell(facts: dict[str, object]) -> None:
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()


async def main() -> None:
    failures: list[str] = []
    calls, key = 0, None
    stopped = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with ScopeClient.from_env(retry_base_delay=0.0) as scope:
        while not stopped.done():
            try:
                await scope.get_prompt_version("greeting", cache=False)
            except ScopeError as error:
                failures.append(f"{type(error).__name__}: {error}")
            calls += 1
            token = scope.tokens.peek()
            if token is not None and token.api_key != key:
                key = token.api_key
                tell({"api_key": key})
            await asyncio.sleep(0.005)
    tell({"calls": calls, "failures": failures})


if __name__ == "__main__":
    asyncio.run(main())
