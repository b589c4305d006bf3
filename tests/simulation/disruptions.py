"""What befalls a single client, drawn by its own seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from scope_async import ApiKeyCredentials
from tests.simulation.client import SimulatedClient
from tests.simulation.outages import DAY, HOUR

_SLICE = 30.0
"""Seconds within which a client notices that it was suspended."""


async def busy(client: SimulatedClient, seconds: float, pause: float = 5.0) -> None:
    """Make requests for a while."""
    ends_at = client.now() + seconds
    while client.now() < ends_at:
        await client.request()
        await asyncio.sleep(client.random.uniform(0.1, 2 * pause))


async def step_of_the_wall_clock(client: SimulatedClient) -> None:
    seconds = DAY ** client.random.random()
    client.clock.step_wall(seconds if client.random.random() < 0.5 else -seconds)
    client.disturbed += 1
    await busy(client, 60.0)


async def suspension(client: SimulatedClient) -> None:
    """Sleep, wake up, and hold a token soon that the service takes, without being told by a 401."""
    seconds = 5.0 * (2 * DAY / 5.0) ** client.random.random()
    began, quiet = client.now(), client.refused_at < client.now() - 120.0
    client.clock.suspend(seconds)
    client.disturbed += 1
    if client.random.random() < 0.5:
        await busy(client, 60.0)
        return
    # Two exchanges: one may have been under way when the lid was closed.
    await asyncio.sleep(_SLICE + 2.5)
    token = client.tokens.peek()
    fair = client.weather.fair(began - 31.0, client.now()) and not client.auth.slow and not client.untended
    if fair and quiet and client.key_bad_until < began - 330.0:
        client.check(
            token is not None and client.auth.accepts(token), f"no good token after {seconds:.0f} s of sleep"
        )


async def rotation(client: SimulatedClient) -> None:
    """Put a new key where the provider finds it, and revoke the old one after the overlap."""
    old = client.credentials.api_key
    renew_credentials(client)
    await busy(client, client.random.choice((1.0, HOUR)), 60.0)
    began, failed = client.now(), client.failed
    client.auth.keys.discard(old)
    await busy(client, 60.0)
    fair = client.weather.fair(began - 60.0, client.now())
    if fair and client.key_bad_until < began - 330.0:
        client.check(client.failed == failed, "a request failed while the key was rotated")


async def revocation(client: SimulatedClient) -> None:
    """Lose the only key; a new one comes after minutes to hours."""
    client.auth.keys.discard(client.credentials.api_key)
    client.key_bad_until = float("inf")
    await busy(client, 60.0)
    await busy(client, 60.0 * (12 * 60.0) ** client.random.random(), 300.0)
    renew_credentials(client)
    client.key_bad_until = client.now()
    await busy(client, 400.0, 20.0)


async def burst_of_401(client: SimulatedClient) -> None:
    """Be refused whatever the token, by a service that has a problem of its own."""
    seconds = client.random.uniform(1.0, 120.0)
    client.auth.refuses_all_until = client.now() + seconds
    before = client.granted
    await busy(client, seconds + 30.0, 1.0)
    made = client.granted - before
    client.check(made <= 5 + (seconds + 30.0) / 10, f"{made} exchanges in a burst of {seconds:.0f} s")


async def slow_hours(client: SimulatedClient) -> None:
    client.auth.slow = True
    await busy(client, 2 * HOUR, 60.0)
    client.auth.slow = False
    await busy(client, 60.0)


async def restart(client: SimulatedClient) -> None:
    await client.close()
    await asyncio.sleep(client.random.uniform(0.0, 60.0))
    client.closed = False
    client.disturbed += 1
    await client.tokens.start()
    await busy(client, 30.0)


async def killed_tasks(client: SimulatedClient) -> None:
    host = client.tokens._background._runner
    if host is not None:
        host.task.cancel()
    client.disturbed += 1
    # Nobody renews the token until it is dead and a reader misses it.
    client.untended = True
    client.rests_until = 0.0
    await busy(client, 60.0)


def renew_credentials(client: SimulatedClient) -> None:
    key, client.keys = f"key_{client.keys}", client.keys + 1
    client.credentials = ApiKeyCredentials(client.credentials.org_id, key, f"secret of {key}")
    client.auth.keys.add(key)


MISFORTUNES: dict[Callable[[SimulatedClient], Awaitable[None]], float] = {
    step_of_the_wall_clock: 3.0,
    suspension: 3.0,
    rotation: 1.0,
    revocation: 0.3,
    burst_of_401: 1.0,
    slow_hours: 0.5,
    restart: 0.5,
    killed_tasks: 0.5,
}


async def live(client: SimulatedClient, mean: float) -> None:
    """Let a misfortune befall the client every `mean` seconds or so, for ever."""
    await client.tokens.start()
    names = [*MISFORTUNES]
    weights = [*MISFORTUNES.values()]
    while True:
        await asyncio.sleep(client.random.expovariate(1 / mean))
        (misfortune,) = client.random.choices(names, weights)
        client.tally.misfortunes[misfortune.__name__] += 1
        await misfortune(client)
