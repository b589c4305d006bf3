"""The cost of telemetry, without hooks and with them.

Each result is a ratio within one run to a client without the checks for hooks. That client is measured
twice, so that the first line shows the noise of the machine.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.harness.closed_loop import cost
from benchmarks.harness.interleave import Measure, interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS, SAME, server_process
from scope_async import ScopeClient
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import Event
from scope_async.telemetry.otel import OpenTelemetryHook

BARE = "no telemetry code"
AT_ONCE = 20


def ignore(_: Event) -> None:
    """Do nothing."""


def without_telemetry(scope: ScopeClient) -> None:
    """Remove the checks for hooks from the path of a cache hit and of a fetch."""
    api, transport = scope._prompts, scope._transport  # noqa: SLF001 - it is what is measured
    fresh = api._memory.get_fresh  # noqa: SLF001

    def peek(name: str, label: str | None = None, version: str | None = None) -> PromptVersion | None:
        key = name if label is None and version is None else ""
        try:
            found = fresh(key)
        except TypeError:
            return None
        return found

    def call(
        request: Any,
        read: Any,
        token_provider: Any = None,
        max_retries: int | None = None,
        on_attempt_failed: Any = None,
    ) -> Any:
        return transport._call(request, read, token_provider, max_retries, on_attempt_failed)  # noqa: SLF001

    vars(api)["peek"] = peek
    vars(transport)["call"] = call


def variants(url: str) -> dict[str, ScopeClient]:
    """Return clients that differ only in their telemetry."""
    client = partial(ScopeClient, CREDENTIALS, base_url=url, auth_api_url=url)
    traced = OpenTelemetryHook(tracer_provider=TracerProvider(), meter_provider=MeterProvider())
    found = {
        BARE: client(),
        "the same again": client(),
        "no hook": client(),
        "telemetry_enabled=False, a hook": client(hooks=[ignore], telemetry_enabled=False),
        "a hook that does nothing": client(hooks=[ignore]),
        "OpenTelemetryHook": client(hooks=[traced]),
    }
    for name in (BARE, "the same again"):
        without_telemetry(found[name])
    return found


async def table(title: str, measures: dict[str, Measure], rounds: int) -> list[Result]:
    """Return one table of CPU times."""
    taken = await interleave(measures, rounds)
    return [
        Result.informative(
            f"{title}, {name}",
            Spread.of_ratios(values, taken[BARE]),
            f"x {BARE}",
            digits=3,
            detail=f"CPU time {Spread.of(values).show()} µs",
        )
        for name, values in taken.items()
        if name != BARE
    ]


async def results(*, rounds: int, hits: int, fetches: int) -> list[Result]:
    """Return the cost of every kind of hook, for a cache hit and for a fetch."""
    with server_process() as url:
        async with AsyncExitStack() as stack:
            clients = variants(url)
            for scope in clients.values():
                await stack.enter_async_context(scope)
                await scope.get_prompt_version(SAME)
            hit = {
                name: cost(partial(scope.get_prompt_version, SAME), 1, hits)
                for name, scope in clients.items()
            }
            found = await table("version from memory", hit, rounds)
            fetch = {
                name: cost(partial(scope.get_prompt_version, SAME, cache=False), AT_ONCE, fetches)
                for name, scope in clients.items()
            }
            return [*found, *await table("fetch", fetch, rounds)]
