"""Runs many clients, started at the same moment, over a simulated time."""

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
from tests.simulation.disruptions import disrupt
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.metrics import Metrics
from tests.simulation.outages import DAY, HOUR, OutageSchedule

BUFFER = 60.0


@attrs.frozen
class Outcome:
    """The result of a run.

    Attributes:
        peak_to_mean: exchanges in the busiest minutes of the last week, as a multiple of the mean.
        exchange_ratio: successful exchanges, as a multiple of what the refresh policy predicts.
        outages: of the auth API, of `hours_down` hours in total.
        seconds: the real time that the run took.
    """

    metrics: Metrics
    peak_to_mean: float
    exchange_ratio: float
    outages: int
    hours_down: float
    seconds: float


def predicted(client: SimulatedClient, seconds: float) -> float:
    """Return how many exchanges the refresh policy predicts: one every L - buffer - 5 % of L.

    The jitter takes 0 to 10 % of the lifetime L, 5 % on average. An early refresh shortens an
    interval, by half on average.
    """
    return 1 + seconds / (0.95 * client.auth.lifetime - BUFFER) + 0.5 * client.early_refreshes


def simulate(seed: int, *, clients: int, days: float, processes: int = 1) -> Outcome:
    """Run the clients; the same seed gives the same result, whatever the number of processes.

    Raises:
        AssertionError: an invariant was broken; the message names the client and the simulated time.
    """
    began = perf_counter()
    shares = [range(first, clients, processes) for first in range(processes)]
    run = partial(_run_share, seed, days * DAY)
    if processes == 1:
        metrics = run(shares[0])
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            metrics = sum(pool.map(run, shares), Metrics())
    outages = _draw_outages(seed, days * DAY)
    return Outcome(
        metrics=metrics,
        peak_to_mean=metrics.peak_to_mean(
            days * DAY - min(7.0, days / 3) * DAY, days * DAY, max(1, 1000 // clients)
        ),
        exchange_ratio=metrics.uncached / metrics.predicted,
        outages=len(outages),
        hours_down=outages.hours_down,
        seconds=perf_counter() - began,
    )


def _draw_outages(seed: int, seconds: float) -> OutageSchedule:
    """Draw the outages of the first third: after one, clients renew together, and drift apart later."""
    return OutageSchedule(Random(f"{seed}/outages"), none_after=0.35 * seconds)


def _run_share(seed: int, seconds: float, numbers: Iterable[int]) -> Metrics:
    loop = VirtualLoop()
    metrics = Metrics()
    outages = _draw_outages(seed, seconds)
    clients = [SimulatedClient(number, seed, loop, outages, metrics) for number in numbers]
    with without_log_and_gc():
        loop.run_until_complete(_run(seed, clients, seconds))
        loop.close()
    if metrics.violations:
        raise metrics.violations[0]
    for client in clients:
        metrics.failed += client.failed
        if client.auth.reuses_above == 1.0:
            metrics.uncached += client.granted
            metrics.predicted += predicted(client, seconds)
    return metrics


async def _run(seed: int, clients: list[SimulatedClient], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    disruptions = [loop.create_task(disrupt(client, 4 * DAY)) for client in clients]
    random = Random(f"{seed}/reads")
    while loop.time() < seconds:
        await asyncio.sleep(random.uniform(0.0, HOUR))
        for client in clients:
            client.read_or_request()
        for ended in [task for task in disruptions if task.done()]:
            ended.result()
        if clients[0].metrics.violations:
            break
    for task in disruptions:
        task.cancel()
    await asyncio.wait(disruptions)
    for client in clients:
        await client.close()
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"{len(left)} tasks are left: {left}"


@contextmanager
def without_log_and_gc() -> Iterator[None]:
    """Silence the log, and run the cyclic garbage collector (a tenth of the run time) less often."""
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
