"""Processes that begin together and ask a service for a while, each with a client of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

import attrs

from scope_async import ApiKeyCredentials

OURS, OFFICIAL = "scope_async", "scope_client"
PAUSE = 0.05
STARTED_WITHIN = 120.0
ENDED_WITHIN = 60.0


@attrs.frozen
class FleetCalls:
    """What the processes did together; `cpu_seconds` is of each on average, its start left out."""

    calls: int
    failed: int
    cpu_seconds: float
    errors: Sequence[str]


async def run_fleet(
    kind: str,
    url: str,
    credentials: ApiKeyCredentials,
    *,
    store: str,
    processes: int,
    seconds: float,
    pause: float = PAUSE,
    stagger: float = 0.0,
) -> FleetCalls:
    """Run `processes` clients against the service at `url` for `seconds`, with the store of this URL.

    Each begins `stagger` seconds after the one before it, makes a call, and waits `pause` seconds before
    the next one.
    """
    given = json.dumps(
        {
            "kind": kind,
            "url": url,
            "store": store,
            "seconds": seconds,
            "pause": pause,
            "credentials": [credentials.org_id, credentials.api_key, credentials.api_secret],
        }
    )
    members: list[Process] = []
    try:
        for _ in range(processes):
            members += [await _start(given)]
        async with asyncio.timeout(STARTED_WITHIN):
            for member in members:
                await _line(member)
        for member in members:
            _write(member, "begin")
            await asyncio.sleep(stagger)
        async with asyncio.timeout(seconds + ENDED_WITHIN):
            found = [json.loads(await _line(member)) for member in members]
            for member in members:
                await member.wait()
    finally:
        for member in members:
            if member.returncode is None:
                member.kill()
                await member.wait()
    return FleetCalls(
        calls=sum(each["calls"] for each in found),
        failed=sum(each["failed"] for each in found),
        cpu_seconds=sum(each["cpu"] for each in found) / processes,
        errors=[error for each in found for error in each["errors"]],
    )


async def _start(given: str) -> Process:
    member = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.harness.fleet_member", stdin=PIPE, stdout=PIPE
    )
    _write(member, given)
    return member


def _write(member: Process, line: str) -> None:
    assert member.stdin is not None  # noqa: S101 - asked for at its start
    member.stdin.write(f"{line}\n".encode())


async def _line(member: Process) -> str:
    assert member.stdout is not None  # noqa: S101 - as above
    return (await member.stdout.readline()).decode()
