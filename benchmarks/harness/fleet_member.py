"""One process of a fleet: makes one call after the other, and prints a line of JSON at the end.

Reads what to do, one line of JSON, prints `ready`, and begins at the next line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from benchmarks.harness.fleet import OFFICIAL
from benchmarks.suites.micro.prompt_peers import official_sdk
from scope_async import ApiKeyCredentials, ScopeClient

BUFFER = 1
"""Seconds before its expiry at which a token is renewed: with its default of 60 s the official SDK would
ask for one in every call, since those of a fleet live for a few seconds."""
PROMPT = "greeting"

Call = Callable[[], Awaitable[object]]
Run = Callable[[], Coroutine[Any, Any, dict[str, Any]]]


async def make_calls(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Return what came of the calls in the given seconds, with the given pause after each."""
    made, errors = 0, []
    started, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < started + given["seconds"]:
        made += 1
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - every error is a failure
            errors.append(repr(error))
        await asyncio.sleep(given["pause"])
    cpu = time.process_time() - cpu
    return {"calls": made, "failed": len(errors), "errors": errors[:1], "cpu": cpu}


def ours(given: dict[str, Any], credentials: ApiKeyCredentials) -> Run:
    url = given["url"]
    client = ScopeClient(
        credentials,
        base_url=url,
        auth_api_url=url,
        store_url=given["store"] or None,
        token_refresh_buffer=BUFFER,
    )

    async def run() -> dict[str, Any]:
        async with client as scope:
            return await make_calls(lambda: scope.get_prompt_version(PROMPT, cache=False), given)

    return run


def official(given: dict[str, Any], credentials: ApiKeyCredentials) -> Run:
    client = official_sdk(given["url"], credentials, cache_enabled=False, token_refresh_buffer=BUFFER)

    async def call() -> object:
        return client.get_prompt_version(PROMPT)

    async def run() -> dict[str, Any]:
        return await make_calls(call, given)

    return run


def main() -> None:
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    given = json.loads(sys.stdin.readline())
    opened = official if given["kind"] == OFFICIAL else ours
    # What a client imports, it has imported when all begin.
    run = opened(given, ApiKeyCredentials(*given["credentials"]))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(run())), flush=True)


if __name__ == "__main__":
    main()
