"""One token source and everything around it, moved step by step; keeps what its readers got."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scope_async import (
    AccessToken,
    ClientClosedError,
    InvalidCredentialsError,
    TokenRefreshError,
    TokenSource,
)
from scope_async._core.clock import FakeClock
from tests.fakes.exchange import ADDRESSES, settle
from tests.properties.auth_model import AuthModel


class TokenRig:
    """Runs the source on an event loop of its own, which stands still between the steps.

    Attributes:
        readers: tasks that wait for a token.
        refusals: tokens that the source gave up after a 401.
        drifts: disturbances of the clocks.
        lives: how often the source was opened.
        cancelled: the background was cancelled, and no token was asked for since.
        token_refused: there is no token, or the source gave it up.
    """

    tokens: TokenSource

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(ticking=False)
        # The limits of an exchange and of the provider pass with the clock.
        self.loop.time = self.clock.monotonic  # type: ignore[method-assign]
        self.model = AuthModel(self.clock)
        self.readers: list[asyncio.Task[AccessToken]] = []
        self.errors: list[BaseException] = []
        self.tokens_seen: list[AccessToken] = []
        self.generation = 0
        self.refusals = 0
        self.drifts = 0
        self.lives = 1
        self.closed = self.cancelled = False
        self.token_refused = True

    def build(self, buffer: float, seed: int) -> None:
        options: dict[str, Any] = {**ADDRESSES, "token_refresh_buffer": buffer}
        self.tokens = self.model.tokens = TokenSource(
            self.model.provider,
            exchange=self.model.exchange,
            clock=self.clock,
            rng=random.Random(seed).random,
            **options,
        )

    def run(self, times: int = 30) -> None:
        self.loop.run_until_complete(settle(times))
        self.cancelled = self.cancelled and not self._has_background()
        self._collect()

    def _has_background(self) -> bool:
        home = self.tokens._background._home
        return home is not None and home.loop is self.loop and not home.task.done()

    def _collect(self) -> None:
        """Take the outcome of every reader that has one."""
        for reader in [reader for reader in self.readers if reader.done()]:
            self.readers.remove(reader)
            if reader.cancelled():
                continue
            error = reader.exception()
            if error is None:
                self._handed_out(reader.result())
                continue
            assert not any(error is other for other in self.errors), "one exception object for two callers"
            self.errors.append(error)
            if isinstance(error, ClientClosedError):
                assert self.closed
            else:
                assert isinstance(error, TokenRefreshError | InvalidCredentialsError), repr(error)
                assert error.retry_after is None or error.retry_after >= 0

    def _handed_out(self, token: AccessToken) -> None:
        assert self.clock.monotonic() < self.model.expiry[token.value], "an expired token was handed out"
        assert token.generation >= self.generation, "an older token was handed out after a newer one"
        if token.generation > self.generation:
            self.generation = token.generation
            self.tokens_seen.append(token)

    def answered(self) -> None:
        self.run()
        if (token := self.tokens.peek()) is not None:
            self._handed_out(token)
            self.token_refused = False

    @contextmanager
    def token_kept(self) -> Iterator[None]:
        before = self.tokens.peek()
        yield
        after = self.tokens.peek()
        kept = (before and before.value) == (after and after.value)
        assert kept, "a failed renewal displaced a valid token"

    def refuse_token(self, token: AccessToken) -> None:
        before = self.tokens.status().generation
        had = self.tokens.peek() is not None
        self.loop.run_until_complete(self._invalidate(token))
        if had and self.tokens.peek() is None:
            assert token.generation == before, "a late 401 touched a newer token"
            self.token_refused = self.model.excused = True
            self.refusals += 1
        self.run()

    async def _invalidate(self, token: AccessToken) -> None:
        self.tokens.invalidate(token)

    def read_in_another_loop(self, lifetime: float) -> None:
        """Read in a second event loop while the first one stands still; the client moves to it."""
        loop = asyncio.new_event_loop()
        loop.time = self.clock.monotonic  # type: ignore[method-assign]
        reader = loop.create_task(self.tokens.get())
        loop.run_until_complete(settle())
        if self.model.asked:
            self.model.grant(lifetime)
            loop.run_until_complete(settle())
            self.answered()
        if not reader.done():
            reader.cancel()
        loop.run_until_complete(asyncio.wait([reader]))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(settle())
        assert not asyncio.all_tasks(loop), "a task outlived its loop"
        loop.close()
        if not reader.cancelled() and reader.exception() is None:
            self._handed_out(reader.result())
        self.model.excused = self.cancelled = True
        # It may have ended an exchange before the auth API was asked: that is one, too.
        self.model.answered_at = self.clock.monotonic()
        self.run()

    def start(self) -> None:
        self.closed = self.cancelled = False
        self.loop.run_until_complete(self.tokens.start())
        self.run()

    def close(self) -> None:
        self._end_life()
        self.loop.run_until_complete(self.tokens.aclose())
        self.run()
        assert not self.readers, "a reader outlived the source"
        assert not asyncio.all_tasks(self.loop), "a task outlived the source"

    def close_and_start_at_once(self, wait: int, cancel: bool) -> None:
        self._end_life()
        closing = self.loop.create_task(self.tokens.aclose())
        self.run(wait)
        if cancel:
            closing.cancel()
        self.loop.run_until_complete(self.tokens.start())
        self.loop.run_until_complete(asyncio.wait([closing]))
        assert closing.cancelled() or closing.exception() is None
        self.run()
        self.closed = self.cancelled = False
        started = self.tokens.status().refreshing or self.model.provider_error
        assert started, "the source did not start again"

    def _end_life(self) -> None:
        self.lives += 1
        self.closed = self.token_refused = True
        self.model.source_closed()

    def teardown(self) -> None:
        for reader in self.readers:
            reader.cancel()
        self.loop.run_until_complete(self.tokens.aclose())
        self.run()
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()
