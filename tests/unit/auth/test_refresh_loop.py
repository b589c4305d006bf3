from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from scope_async._core.clock import FakeClock
from scope_async.auth.refresh_loop import RefreshLoop
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.token import HeldToken, no_token
from tests.fakes.exchange import settle, travel


class Rig:
    """A loop whose renewals come 100 s apart."""

    def __init__(self) -> None:
        self.clock = FakeClock(ticking=False)
        self.policy = RefreshPolicy(buffer=60.0, rng=lambda: 0.5)
        self.held = HeldToken(no_token(self.clock.monotonic))
        self.due_at(100.0)
        self.renewed_at: list[float] = []
        self.suspensions = 0
        self.loop = RefreshLoop(
            self.clock, self.policy, held=self.held, renew=self.renew, on_suspended=self.on_suspended
        )

    def due_at(self, instant: float) -> None:
        self.policy.next_at = instant

    async def renew(self) -> None:
        self.renewed_at.append(self.clock.monotonic())
        self.due_at(self.clock.monotonic() + 100)

    def on_suspended(self) -> None:
        self.suspensions += 1


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    running = asyncio.create_task(rig.loop.run())
    await settle()
    yield rig
    rig.held.closed = True
    rig.loop.wake()
    await asyncio.wait_for(running, 5)


async def test_refresh_loop_renews_when_it_is_due(rig) -> None:
    await travel(rig.clock, 250, step=10)
    assert rig.renewed_at == [100.0, 200.0]


async def test_wake_has_the_time_looked_at_again(rig) -> None:
    await travel(rig.clock, 10)
    rig.due_at(20.0)
    rig.loop.wake()
    await settle()
    await travel(rig.clock, 15, step=5)
    assert rig.renewed_at == [20.0]


async def test_suspension_during_the_sleep_is_reported(rig) -> None:
    await travel(rig.clock, 10)
    rig.clock.suspend(7200)
    await settle()
    assert (rig.suspensions, rig.renewed_at) == (1, [])


async def test_refresh_loop_ends_when_the_source_is_closed() -> None:
    rig = Rig()
    rig.held.closed = True
    await asyncio.wait_for(rig.loop.run(), 5)
    assert rig.renewed_at == []
