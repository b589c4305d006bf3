from __future__ import annotations

import asyncio
import threading
from unittest.mock import Mock

import pytest

from scope_async._core.clock import SLICE, FakeClock, SystemClock


class Machine:
    """A machine whose clocks move only during a sleep, or when it is suspended."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 100.0, 1_000_000.0
        self.slices: list[float] = []
        self.suspensions: dict[int, float] = {}

    async def sleep(self, seconds: float) -> None:
        self.slices.append(seconds)
        self.monotonic += seconds
        self.wall += seconds + self.suspensions.get(len(self.slices), 0.0)

    def clock(self) -> SystemClock:
        return SystemClock(monotonic=lambda: self.monotonic, wall=lambda: self.wall, sleep=self.sleep)


async def test_system_clock_sleeps_in_slices() -> None:
    machine = Machine()
    await machine.clock().sleep(70.0)
    assert machine.slices == [SLICE, SLICE, 10.0]


async def test_system_clock_ends_a_sleep_in_the_slice_of_a_suspension() -> None:
    machine = Machine()
    machine.suspensions[2] = 3600.0
    await machine.clock().sleep(1000.0)
    assert machine.slices == [SLICE, SLICE]


async def test_system_clock_sleeps_on_when_the_wall_clock_is_stepped_back() -> None:
    machine = Machine()
    machine.suspensions[1] = -86400.0
    await machine.clock().sleep(50.0)
    assert machine.slices == [SLICE, 20.0]


@pytest.mark.parametrize("seconds", [0.0, -5.0])
async def test_sleep_of_no_time_yields_once(seconds) -> None:
    machine = Machine()
    await machine.clock().sleep(seconds)
    assert machine.slices == [0.0]


async def test_fake_clock_stands_still_without_ticking() -> None:
    clock = FakeClock(ticking=False)
    before = clock.monotonic(), clock.time()
    await asyncio.sleep(0)
    assert (clock.monotonic(), clock.time()) == before


async def test_advance_wakes_only_the_sleeps_that_are_due() -> None:
    clock = FakeClock(ticking=False)
    short, long = (asyncio.create_task(clock.sleep(seconds)) for seconds in (10.0, 20.0))
    await asyncio.sleep(0)
    clock.advance(10.0)
    await short
    assert not long.done()
    clock.advance(10.0)
    await long


async def test_fake_clock_ticks_by_itself() -> None:
    clock = FakeClock()
    before = clock.monotonic()
    await asyncio.gather(*(clock.sleep(seconds / 1000) for seconds in range(20)))
    assert clock.monotonic() >= before + 0.018


async def test_fake_clock_ends_a_sleep_whose_timer_fires_early(monkeypatch) -> None:
    clock = FakeClock()
    loop = asyncio.get_running_loop()
    # As coarse as a loop's clock can be. uvloop's own methods cannot be replaced.
    monkeypatch.setattr(
        "scope_async._core.clock.asyncio.get_running_loop",
        lambda: Mock(
            create_future=loop.create_future, call_later=lambda _, ring, *args: loop.call_soon(ring, *args)
        ),
    )
    await asyncio.wait_for(clock.sleep(3600.0), 10)


async def test_fake_clock_forgets_a_cancelled_sleep() -> None:
    clock = FakeClock(ticking=False)
    sleep = asyncio.create_task(clock.sleep(10.0))
    await asyncio.sleep(0)
    sleep.cancel()
    await asyncio.wait({sleep})
    assert sleep.cancelled()
    clock.advance(10.0)


def test_advance_refuses_negative_seconds() -> None:
    with pytest.raises(ValueError, match="forward"):
        FakeClock().advance(-1.0)


async def test_suspend_moves_the_wall_clock_alone_and_ends_sleeps() -> None:
    clock = FakeClock(ticking=False)
    monotonic, wall = clock.monotonic(), clock.time()
    sleep = asyncio.create_task(clock.sleep(1000.0))
    await asyncio.sleep(0)
    clock.suspend(60.0)
    await sleep
    assert clock.monotonic() == monotonic
    assert clock.time() == wall + 60.0


def test_step_wall_leaves_the_monotonic_clock_alone() -> None:
    clock = FakeClock(ticking=False)
    monotonic, wall = clock.monotonic(), clock.time()
    clock.step_wall(-3600.0)
    assert clock.monotonic() == monotonic
    assert clock.time() == wall - 3600.0


async def test_fake_clock_is_moved_from_another_thread() -> None:
    clock = FakeClock(ticking=False)
    sleeping = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    threading.Thread(target=clock.advance, args=(60,)).start()
    await asyncio.wait_for(sleeping, 10)
