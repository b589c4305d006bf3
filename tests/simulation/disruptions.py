"""Disruptions of a single client, drawn from its own seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from scope_async import ApiKeyCredentials
from tests.simulation.client import SimulatedClient
from tests.simulation.outages import DAY, HOUR

_SLICE = 30.0
"""Seconds within which a client notices that it was suspended."""


async def busy(client: SimulatedClient, seconds: float, pause: float = 5.0) -> None:
    """Make requests for `seconds`, about `pause` seconds apart."""
    ends_at = client.now() + seconds
    while client.now() < ends_at:
        await client.request()
        await asyncio.sleep(client.random.uniform(0.1, 2 * pause))


async def wall_clock_step(client: SimulatedClient) -> None:
    seconds = DAY ** client.random.random()
    client.clock.step_wall(seconds if client.random.random() < 0.5 else -seconds)
    client.early_refreshes += 1
    await busy(client, 60.0)


async def suspension(client: SimulatedClient) -> None:
    """Suspend and resume; soon after, the source must have a valid token again, without a 401."""
    seconds = 5.0 * (2 * DAY / 5.0) ** client.random.random()
    began, quiet = client.now(), client.last_401_at < client.now() - 120.0
    client.clock.suspend(seconds)
    client.early_refreshes += 1
    if client.random.random() < 0.5:
        await busy(client, 60.0)
        return
    # Two exchanges: one may have been in flight when the machine was suspended.
    await asyncio.sleep(_SLICE + 2.5)
    token = client.tokens.peek()
    reachable = client.outages.is_up(began - 31.0, client.now()) and not client.auth.slow
    if reachable and quiet and not client.refresh_stopped and client.key_revoked_until < began - 330.0:
        client.check(
            token is not None and client.auth.accepts(token),
            f"no valid token after {seconds:.0f} s of suspension",
        )


async def rotation(client: SimulatedClient) -> None:
    """Give the provider a new key, and revoke the old one after the overlap."""
    old = client.credentials.api_key
    replace_credentials(client)
    await busy(client, client.random.choice((1.0, HOUR)), 60.0)
    began, failed = client.now(), client.failed
    client.auth.keys.discard(old)
    await busy(client, 60.0)
    up = client.outages.is_up(began - 60.0, client.now())
    if up and client.key_revoked_until < began - 330.0:
        client.check(client.failed == failed, "a request failed while the key was rotated")


async def revocation(client: SimulatedClient) -> None:
    """Revoke the only key; a new one comes after minutes to hours."""
    client.auth.keys.discard(client.credentials.api_key)
    client.key_revoked_until = float("inf")
    await busy(client, 60.0)
    await busy(client, 60.0 * (12 * 60.0) ** client.random.random(), 300.0)
    replace_credentials(client)
    client.key_revoked_until = client.now()
    await busy(client, 400.0, 20.0)


async def burst_of_401(client: SimulatedClient) -> None:
    """Let the service answer 401 to every token for a while, valid ones included."""
    seconds = client.random.uniform(1.0, 120.0)
    client.auth.refuses_all_until = client.now() + seconds
    before = client.granted
    await busy(client, seconds + 30.0, 1.0)
    made = client.granted - before
    client.check(made <= 5 + (seconds + 30.0) / 10, f"{made} exchanges during {seconds:.0f} s of 401s")


async def slow_exchanges(client: SimulatedClient) -> None:
    client.auth.slow = True
    await busy(client, 2 * HOUR, 60.0)
    client.auth.slow = False
    await busy(client, 60.0)


async def hanging_provider(client: SimulatedClient) -> None:
    client.provider_hangs = True
    await busy(client, 2 * HOUR, 60.0)
    client.provider_hangs = False


async def restart(client: SimulatedClient) -> None:
    await client.close()
    await asyncio.sleep(client.random.uniform(0.0, 60.0))
    client.closed = False
    client.early_refreshes += 1
    await client.tokens.start()
    await busy(client, 30.0)


async def cancelled_tasks(client: SimulatedClient) -> None:
    host = client.tokens._background._home
    if host is not None:
        host.task.cancel()
    client.early_refreshes += 1
    # The refresh loop starts again only when a caller finds the token expired.
    client.refresh_stopped = True
    client.retry_not_before = 0.0
    await busy(client, 60.0)


def replace_credentials(client: SimulatedClient) -> None:
    key, client.keys = f"key_{client.keys}", client.keys + 1
    client.credentials = ApiKeyCredentials(client.credentials.org_id, key, f"secret of {key}")
    client.auth.keys.add(key)


DISRUPTIONS: dict[Callable[[SimulatedClient], Awaitable[None]], float] = {
    wall_clock_step: 3.0,
    suspension: 3.0,
    rotation: 1.0,
    revocation: 0.3,
    burst_of_401: 1.0,
    slow_exchanges: 0.5,
    hanging_provider: 0.5,
    restart: 0.5,
    cancelled_tasks: 0.5,
}


async def disrupt(client: SimulatedClient, mean: float) -> None:
    """Disrupt the client every `mean` seconds on average, until cancelled."""
    await client.tokens.start()
    names = [*DISRUPTIONS]
    weights = [*DISRUPTIONS.values()]
    while True:
        await asyncio.sleep(client.random.expovariate(1 / mean))
        (disruption,) = client.random.choices(names, weights)
        client.metrics.disruptions[disruption.__name__] += 1
        await disruption(client)
