"""A fleet of clients, started at the same moment, over a simulated time."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from random import Random
from time import perf_counter

import attrs

from tests.simulation.client import SimulatedClient
from tests.simulation.disruptions import live
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.metrics import Tally
from tests.simulation.outages import DAY, HOUR, Weather

BUFFER = 60.0


@attrs.frozen
class Outcome:
    """What a run came to.

    Attributes:
        busiest: exchanges in the busiest minutes of the last week, as a multiple of the mean.
        rate: exchanges that gave a token, as a multiple of what the windows predict.
    """

    tally: Tally
    busiest: float
    rate: float
    outages: int
    hours_down: float
    seconds: float


def predicted(client: SimulatedClient, seconds: float) -> float:
    """Return how many exchanges the windows predict: one every L - buffer - 5 % of L.

    The jitter takes 0 to 10 % of L, in the mean 5 %. A renewal out of turn cuts an interval
    short, in the mean by half.
    """
    return 1 + seconds / (0.95 * client.auth.lifetime - BUFFER) + 0.5 * client.disturbed


def simulate(seed: int, *, clients: int, days: float, processes: int = 1) -> Outcome:
    """Run the fleet; the same arguments give the same run, however many processes share it.

    Raises:
        AssertionError: a promise was broken; the message names the client and the moment.
    """
    began = perf_counter()
    shares = [range(first, clients, processes) for first in range(processes)]
    run = partial(_run_share, seed, days * DAY)
    if processes == 1:
        tally = run(shares[0])
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            tally = sum(pool.map(run, shares), Tally())
    weather = _weather(seed, days * DAY)
    return Outcome(
        tally=tally,
        busiest=tally.busiest(days * DAY - min(7.0, days / 3) * DAY, days * DAY, max(1, 1000 // clients)),
        rate=tally.plain / tally.predicted,
        outages=weather.outages,
        hours_down=weather.hours_down,
        seconds=perf_counter() - began,
    )


def _weather(seed: int, seconds: float) -> Weather:
    """Draw the outages; the end is calm, since after one whoever missed it renews at once."""
    return Weather(Random(f"{seed}/weather"), calm_from=0.35 * seconds)


def _run_share(seed: int, seconds: float, numbers: Iterable[int]) -> Tally:
    loop = VirtualLoop()
    tally = Tally()
    weather = _weather(seed, seconds)
    fleet = [SimulatedClient(number, seed, loop, weather, tally) for number in numbers]
    with _quiet():
        loop.run_until_complete(_run(seed, fleet, seconds))
        loop.close()
    if tally.complaints:
        raise tally.complaints[0]
    for client in fleet:
        tally.failed += client.failed
        if client.auth.reuses_above == 1.0:
            tally.plain += client.granted
            tally.predicted += predicted(client, seconds)
    return tally


async def _run(seed: int, fleet: list[SimulatedClient], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    lives = [loop.create_task(live(client, 4 * DAY)) for client in fleet]
    random = Random(f"{seed}/looks")
    while loop.time() < seconds:
        await asyncio.sleep(random.uniform(0.0, HOUR))
        for client in fleet:
            client.look()
        for ended in [task for task in lives if task.done()]:
            ended.result()
        if fleet[0].tally.complaints:
            break
    for task in lives:
        task.cancel()
    await asyncio.wait(lives)
    for client in fleet:
        await client.close()
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"{len(left)} tasks are left behind: {left}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the log; let the cyclic garbage collector, a tenth of the time, look more rarely."""
    logger = logging.getLogger("scope_async")
    level, thresholds = logger.level, gc.get_threshold()
    logger.setLevel(logging.CRITICAL + 1)
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        logger.setLevel(level)
