"""Whatever happens to a token source, in any order, its promises hold."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scope_async import (
    AuthorizationError,
    ConfigurationError,
    ConnectionError,
    RateLimitError,
    ServerError,
)
from tests.properties.token_rig import TokenRig

EXAMPLES = int(os.environ.get("SCOPE_TEST_EXAMPLES", "200"))

MONTH = 30 * 86400.0
lifetimes = st.floats(1.0, 120.0) | st.floats(120.0, MONTH)
spans = st.floats(0.01, 10.0) | st.floats(10.0, 600.0) | st.floats(600.0, 2 * MONTH)
rounds = st.integers(0, 8)
failures = st.one_of(
    st.just(lambda: ServerError("down", http_status=503)),
    st.sampled_from([0.0, 5.0, 25.0, 100.0, 1e6]).map(
        lambda after: lambda: RateLimitError("slow", http_status=429, retry_after=after)
    ),
    st.just(lambda: ConnectionError("cut")),
    st.just(lambda: AuthorizationError("a firewall", http_status=403, http_body="<html>")),
    st.just(TimeoutError),
    st.just(lambda: ValueError("what the auth API sent")),
    st.just(asyncio.CancelledError),
)
provider_errors = st.sampled_from(
    [
        lambda: KeyError("vault"),
        lambda: ConfigurationError("no file"),
        asyncio.CancelledError,
    ]
)


class TokenMachine(TokenRig, RuleBasedStateMachine):
    """What the outside world does to a source: readers, the auth API, clocks, cancelled tasks."""

    @initialize(
        buffer=st.sampled_from([0.0, 60.0, 300.0, 7200.0]), seed=st.integers(0, 2**16), lifetime=lifetimes
    )
    def open(self, buffer: float, seed: int, lifetime: float) -> None:
        self.build(buffer, seed)
        self.start()
        self.grant(lifetime)

    @rule(count=st.integers(1, 3))
    def read(self, count: int) -> None:
        if count and self.tokens.peek() is None:
            self.cancelled = False
        self.readers += [self.loop.create_task(self.tokens.get()) for _ in range(count)]
        self.run()

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def cancel_a_reader(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.readers)).cancel()
        self.run()
        assert self.tokens.status().refreshing, "the exchange went with its reader"

    @precondition(lambda self: self.model.asked)
    @rule(lifetime=lifetimes)
    def grant(self, lifetime: float) -> None:
        self.model.grant(lifetime)
        self.answered()

    @precondition(lambda self: self.model.asked and self.model.can_grant_again)
    @rule()
    def grant_again(self) -> None:
        self.model.grant_again()
        self.answered()

    @precondition(lambda self: self.model.asked)
    @rule(failure=failures)
    def fail(self, failure: Callable[[], BaseException]) -> None:
        with self.token_kept():
            self.model.fail(failure())
            self.run()

    @precondition(lambda self: self.model.asked)
    @rule()
    def refuse(self) -> None:
        with self.token_kept():
            self.model.refuse()
            self.run()

    @rule(change=st.booleans(), error=st.none() | provider_errors, hang=st.booleans())
    def change_the_provider(
        self, change: bool, error: Callable[[], BaseException] | None, hang: bool
    ) -> None:
        if change:
            self.model.change_credentials()
        self.model.provider_error = error
        self.model.provider_hangs = hang

    @precondition(lambda self: self.model.asked)
    @rule(seconds=st.floats(0.0, 61.0))
    def let_the_exchange_hang(self, seconds: float) -> None:
        with self.token_kept():
            self.clock.advance(min(seconds, max(0.0, self.model.valid_until - self.clock.monotonic()) * 0.9))
            self.run()

    @precondition(lambda self: not (self.model.asked or self.readers or self.closed))
    @rule(lifetime=lifetimes)
    def read_in_a_second_loop(self, lifetime: float) -> None:
        self.read_in_another_loop(lifetime)

    @rule(seconds=spans)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.run()

    @precondition(lambda self: self.clock.monotonic() < self.model.valid_until)
    @rule(share=st.floats(0.0, 1.0) | st.just(1.001))
    def advance_within_the_life_of_the_token(self, share: float) -> None:
        self.clock.advance(share * (self.model.valid_until - self.clock.monotonic()))
        self.run()

    @precondition(lambda self: self.clock.monotonic() < self.model.next_from)
    @rule(count=st.integers(0, 2))
    def read_until_just_before_the_next_exchange(self, count: int) -> None:
        self.clock.advance(max(0.0, self.model.next_from - self.clock.monotonic() - 0.01))
        self.read(count)

    @rule(seconds=spans, how=st.sampled_from(["suspend", "forward", "back"]))
    def disturb_the_clock(self, seconds: float, how: str) -> None:
        if how == "suspend":
            self.clock.suspend(seconds)
        else:
            self.clock.step_wall(seconds if how == "forward" else -seconds)
        self.drifts += 1
        self.run()

    @precondition(lambda self: self.tokens_seen)
    @rule(data=st.data())
    def invalidate(self, data: st.DataObject) -> None:
        self.refuse_token(data.draw(st.sampled_from(self.tokens_seen[-3:])))

    @rule(count=st.integers(1, 6))
    def refuse_every_token(self, count: int) -> None:
        for _ in range(count):
            if self.model.asked:
                self.grant(1000.0)
            if (token := self.tokens.peek()) is not None:
                self.refuse_token(token)

    @precondition(lambda self: not self.closed)
    @rule(expire=st.booleans(), read=st.booleans(), wait=rounds, data=st.data())
    def kill_a_task(self, expire: bool, read: bool, wait: int, data: st.DataObject) -> None:
        """Cancel a task of the background, its host included, perhaps before its first step."""
        if expire and self.tokens.peek() is not None:
            self.clock.advance(self.model.valid_until - self.clock.monotonic() + 0.001)
        if read:
            self.readers.append(self.loop.create_task(self.tokens.get()))
        self.run(wait)
        background = sorted(
            asyncio.all_tasks(self.loop) - set(self.readers), key=lambda task: task.get_name()
        )
        if background:
            data.draw(st.sampled_from(background)).cancel()
            self.model.excused = self.cancelled = True
            # It may have ended an exchange before the auth API was asked: that is one, too.
            self.model.answered_at = self.clock.monotonic()
        self.run()

    @rule(how=st.sampled_from(["start", "close", "restart"]), wait=rounds, cancel=st.booleans())
    def start_or_close(self, how: str, wait: int, cancel: bool) -> None:
        if how == "start":
            self.start()
        elif how == "close":
            self.close()
        else:
            self.close_and_start_at_once(wait, cancel)

    @invariant()
    def never_two_exchanges_at_once(self) -> None:
        assert self.model.most_in_flight <= 1

    @invariant()
    def no_reader_hangs(self) -> None:
        assert not self.readers or (self.tokens.status().refreshing and not self.closed)

    @invariant()
    def a_valid_token_is_there_and_is_read_without_suspending(self) -> None:
        token = self.tokens.peek()
        if self.clock.monotonic() < self.model.valid_until and not self.token_refused:
            assert token is not None, "a valid token was lost"
        elif self.token_refused or self.clock.monotonic() > self.model.valid_until + 0.001:
            assert token is None, "a token that expired or was refused is handed out"
        if token is not None:
            self._handed_out(token)
            if self.cancelled:  # without a background, a reader may renew a token that is due
                return
            with pytest.raises(StopIteration) as returned:
                self.tokens.get().send(None)
            assert returned.value.value is token

    @invariant()
    def a_token_that_lived_its_life_is_renewed_in_the_background(self) -> None:
        lived = self.clock.monotonic() >= max(self.model.valid_until, self.model.answered_at + 0.5)
        if self.model.granted and lived and not self.closed and not self.cancelled:
            assert self.tokens.status().refreshing or self.model.provider_error

    @invariant()
    def exchanges_are_bounded(self) -> None:
        """Forced renewals have a cause each, and there are three at once, then one in ten seconds."""
        assert self.model.forced <= self.drifts
        allowance = 3 * self.lives + self.clock.monotonic() / 10
        assert self.model.forced + self.refusals <= allowance


def test_token_source_keeps_its_promises(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    run_state_machine_as_test(
        TokenMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],  # the others look at files while the loop runs
            report_multiple_bugs=False,
            derandomize="SCOPE_TEST_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
    gc.collect()
