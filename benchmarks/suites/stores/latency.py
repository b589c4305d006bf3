"""How long a client takes for a token and a prompt, alone or through a store; one call at a time.

The service is a stub on this machine, whose answer takes next to nothing: what a store saves is a request
to one that is farther away.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count

import attrs

from benchmarks.harness.stub_server import new_credentials, server_process
from scope_async import AccessToken, ApiKeyCredentials, ScopeClient
from scope_async.auth.exchange import ExchangeResponse
from scope_async.telemetry.events import Event, SharedPromptTaken, TokenExchanged

RENEWAL = "renewal of a token"
FIRST_TOKEN = "first token, when another client has one"  # noqa: S105 - no password
SHARED_PROMPT = "prompt that another client has"
NEW_PROMPT = "prompt that no client has"
OPERATIONS = (RENEWAL, FIRST_TOKEN, SHARED_PROMPT, NEW_PROMPT)

SOURCES = 20
LIFETIME = 1.0
"""Seconds that a token lives whose renewals are measured: each is renewed about twice in a second."""

WARM_UP = "warm-up"
"""A prompt that each client reads before the others."""

WRITTEN_WITHIN = 0.2
"""Seconds after which a store has what was fetched; no caller waits for that."""

_numbers = count(1)


@attrs.define
class Latencies:
    """Milliseconds of each operation, by round; `taken` counts the prompts that came from the store."""

    rounds: dict[str, list[list[float]]] = attrs.field(factory=lambda: {name: [] for name in OPERATIONS})
    taken: int = 0

    def percentile(self, operation: str, share: int) -> list[float]:
        """Return the value of each round below which `share` percent of its calls are."""
        return [
            statistics.quantiles(values, n=100, method="inclusive")[share - 1]
            for values in self.rounds[operation]
        ]

    def __call__(self, event: Event) -> None:
        self.taken += isinstance(event, SharedPromptTaken) and event.prompt != WARM_UP


async def measure_latencies(
    urls: Mapping[str, str], *, rounds: int, calls: int, seconds: float
) -> dict[str, Latencies]:
    """Return the latencies with each store: `calls` of each operation in a round, renewals for `seconds`."""
    found = {name: Latencies() for name in urls}
    with server_process() as url:
        for number in range(rounds):
            for name in list(urls)[:: -1 if number % 2 else 1]:
                store = urls[name] or None
                taken = await _prompts_and_first_tokens(url, store, found[name], calls)
                for operation, values in (taken | {RENEWAL: await _renewals(store, seconds)}).items():
                    found[name].rounds[operation].append(values)
    return found


async def _prompts_and_first_tokens(
    url: str, store: str | None, hook: Latencies, calls: int
) -> dict[str, list[float]]:
    """Return the milliseconds of each call; two clients share what the first one fetches."""
    credentials = new_credentials()

    def client() -> ScopeClient:
        return ScopeClient(credentials, base_url=url, auth_api_url=url, store_url=store, hooks=[hook])

    async def read(scope: ScopeClient, name: str) -> float:
        started = time.perf_counter()
        await scope.get_prompt_version(name)
        return (time.perf_counter() - started) * 1000

    async def first_token() -> float:
        started = time.perf_counter()
        async with client() as scope:
            await scope.tokens.get()
            return (time.perf_counter() - started) * 1000

    names = [f"prompt-{number}" for number in range(calls)]
    async with client() as one, client() as two:
        for scope in (one, two):
            await scope.get_prompt_version(WARM_UP)
        new = [await read(one, name) for name in names]
        await asyncio.sleep(WRITTEN_WITHIN)
        return {
            NEW_PROMPT: new,
            SHARED_PROMPT: [await read(two, name) for name in names],
            FIRST_TOKEN: [await first_token() for _ in names],
        }


async def _renewals(store: str | None, seconds: float) -> list[float]:
    """Return the milliseconds of each renewal in the background, of 20 clients with a key each.

    An exchange takes no time: what is left is the lease under which it is made.
    """
    taken: list[float] = []

    def hook(event: Event) -> None:
        if isinstance(event, TokenExchanged) and event.generation > 1:
            taken.append(event.duration_ms)

    async def exchange(_: ApiKeyCredentials, /, *, rejected: AccessToken | None = None) -> ExchangeResponse:
        del rejected
        return ExchangeResponse(f"token-{next(_numbers)}", LIFETIME)

    nowhere = "http://127.0.0.1:1"
    async with AsyncExitStack() as stack:
        for _ in range(SOURCES):
            client = ScopeClient(
                new_credentials(),
                exchange=exchange,
                base_url=nowhere,
                auth_api_url=nowhere,
                store_url=store,
                hooks=[hook],
            )
            await stack.enter_async_context(client)
        await asyncio.sleep(seconds)
    return taken
