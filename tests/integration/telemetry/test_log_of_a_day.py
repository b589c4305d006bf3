"""A day of trouble in the log: few lines, and they say what failed, when, and when it was over."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from scope_async import ScopeClient, ScopeError
from scope_async.local import LocalScope
from scope_async.telemetry.logging_hook import LoggingHook

HOUR = 3600
Trouble = Callable[[LocalScope], AbstractContextManager[object]]


def auth_api_down(local: LocalScope) -> AbstractContextManager[object]:
    return local.faults.status("exchange", 503)


def prompts_down(local: LocalScope) -> AbstractContextManager[object]:
    return local.faults.status("prompt", 503)


def key_refused(local: LocalScope) -> AbstractContextManager[object]:
    both = ExitStack()
    both.enter_context(local.faults.status("exchange", 401))
    both.enter_context(local.faults.status("prompt", 401))
    return both


def overloaded(local: LocalScope) -> AbstractContextManager[object]:
    return local.faults.status("prompt", 429)


# From which second of the day on, for how many, what is wrong then, and how the log calls it.
DAY: list[tuple[int, int, Trouble, str]] = [
    (2 * HOUR, 600, prompts_down, "prompts cannot be fetched"),
    (6 * HOUR, 900, auth_api_down, "the token cannot be renewed"),
    (11 * HOUR, 300, key_refused, "the auth API refuses the credentials"),
    (17 * HOUR, 480, overloaded, "prompts cannot be fetched"),
]
STEP = 5
RECOVERY = 600
"""Seconds after which all that was put off until later has been done."""


class Told(logging.Handler):
    """The lines of the log, each with the second of the day."""

    def __init__(self, local: LocalScope) -> None:
        super().__init__(logging.WARNING)
        self._clock, self._midnight = local.clock, local.clock.time()
        self.lines: list[tuple[float, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((self._clock.time() - self._midnight, record.levelname, record.getMessage()))


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope(token_ttl=600) as local:
        for name in ("greeting", "farewell"):
            await local.add_prompt(name, "Hello, {{name}}!")
        yield local


@pytest.fixture
def told(local: LocalScope) -> Iterator[Told]:
    told, logger = Told(local), logging.getLogger("scope_async")
    logger.addHandler(told)
    yield told
    logger.removeHandler(told)


async def live(local: LocalScope, scope: ScopeClient, seconds: int, step: int) -> int:
    """Read prompts through `seconds`, one of them asked for anew each time; return how many calls failed."""
    failed = 0
    for _ in range(0, seconds, step):
        local.clock.advance(step)
        for name in ("greeting", "farewell"):
            for cache in (True, name == "greeting"):
                try:
                    await scope.get_prompt_version(name, cache=cache)
                except ScopeError:
                    failed += 1
    return failed


async def test_day_of_trouble_is_told_in_less_than_100_lines(local: LocalScope, told: Told) -> None:
    options = {"base_url": local.url, "auth_api_url": local.url, "max_retries": 0, "clock": local.clock}
    async with ScopeClient(local.credentials, hooks=[LoggingHook(clock=local.clock)], **options) as scope:
        now = failed = 0
        for start, lasts, trouble, _ in DAY:
            assert not await live(local, scope, start - now, 240)
            with trouble(local):
                failed += await live(local, scope, lasts, STEP)
            await live(local, scope, RECOVERY, STEP)
            now = start + lasts + RECOVERY
        assert not await live(local, scope, 24 * HOUR - now, 240)
    assert failed > 400
    assert len(told.lines) < 100
    for start, lasts, _, name in DAY:
        during = [line for line in told.lines if start <= line[0] <= start + lasts + RECOVERY]
        about = [line for line in during if line[2].startswith(name)]
        (began, _, first), (ended, level, last) = about[0], about[-1]
        assert began <= start + 600, "as soon as it was noticed: a token lives ten minutes"
        assert start + lasts <= ended
        assert ": over, since 20" in last
        assert ", since" not in first
        assert level == "ERROR", "calls failed"
        assert re.search(r"failed calls: \d\d", last)
        assert len(about) <= 2 + (ended - began) / 60 + 1
    assert len([line for line in told.lines if ": over, " in line[2]]) == len(DAY) + 1, "each ends once"
