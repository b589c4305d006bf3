"""One process of a fleet: makes one call after the other, and prints a line of JSON at the end.

Reads what to do, one line of JSON, prints `ready`, and begins at the next line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.harness.fleet import OFFICIAL
from benchmarks.suites.micro.prompt_peers import official_sdk
from scope_async import ApiKeyCredentials, ScopeClient

BUFFER = 1
"""Seconds before its expiry at which a token is renewed: with its default of 60 s the official SDK would
ask for one in every call, since those of a fleet live for a few seconds."""
PROMPT = "greeting"

Call = Callable[[], Awaitable[object]]


async def make_calls(call: Call, *, seconds: float, pause: float) -> dict[str, Any]:
    """Return what came of the calls in `seconds`."""
    made, errors = 0, []
    started, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < started + seconds:
        made += 1
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - every error is a failure
            errors.append(repr(error))
        await asyncio.sleep(pause)
    cpu = time.process_time() - cpu
    return {"calls": made, "failed": len(errors), "errors": errors[:1], "cpu": cpu}


async def ours(given: dict[str, Any], credentials: ApiKeyCredentials) -> dict[str, Any]:
    url = given["url"]
    async with ScopeClient(
        credentials,
        base_url=url,
        auth_api_url=url,
        store_url=given["store"] or None,
        token_refresh_buffer=BUFFER,
    ) as scope:
        return await make_calls(
            lambda: scope.get_prompt_version(PROMPT, cache=False),
            seconds=given["seconds"],
            pause=given["pause"],
        )


async def official(given: dict[str, Any], credentials: ApiKeyCredentials) -> dict[str, Any]:
    client = official_sdk(given["url"], credentials, cache_enabled=False, token_refresh_buffer=BUFFER)

    async def call() -> object:
        return client.get_prompt_version(PROMPT)

    return await make_calls(call, seconds=given["seconds"], pause=given["pause"])


def main() -> None:
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    given = json.loads(sys.stdin.readline())
    credentials = ApiKeyCredentials(*given["credentials"])
    print("ready", flush=True)
    sys.stdin.readline()
    run = official if given["kind"] == OFFICIAL else ours
    print(json.dumps(asyncio.run(run(given, credentials))), flush=True)


if __name__ == "__main__":
    main()
