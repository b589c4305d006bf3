"""Whatever happens to a prompt cache, in any order, its promises hold."""

from __future__ import annotations

import json
import logging
import os

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

from scope_async.errors import ConnectionError
from tests.properties.prompt_rig import IF_ERROR, NAMES, REVALIDATE, STALE_TIMEOUT, TTL, PromptRig

EXAMPLES = int(os.environ.get("SCOPE_TEST_EXAMPLES", "150"))

names = st.sampled_from(NAMES)
spans = st.sampled_from(
    [0.5, STALE_TIMEOUT, 5.0, REVALIDATE, TTL / 2, TTL, TTL + REVALIDATE + 1, IF_ERROR + TTL]
)


class PromptCacheMachine(PromptRig, RuleBasedStateMachine):
    """What the outside world does to a cache: readers, late answers, failures, invalidations, the clock."""

    @initialize(max_entries=st.sampled_from([1, 2, 10]), fallback=st.booleans())
    def open(self, max_entries: int, fallback: bool) -> None:
        self.max_entries = max_entries
        self.build(max_entries=max_entries, fallback=fallback)

    @rule(name=names, count=st.integers(1, 3), with_fallback=st.booleans())
    def read_it(self, name: str, count: int, with_fallback: bool) -> None:
        for _ in range(count):
            self.read(name, **({"with_fallback": True} if with_fallback else {}))

    @rule(name=names, cache_ttl=st.sampled_from([0, 1.0, 10.0, 1000.0]))
    def read_with_ttl(self, name: str, cache_ttl: float) -> None:
        self.read(name, cache_ttl=cache_ttl)

    @rule(name=names)
    def read_past_the_cache(self, name: str) -> None:
        self.read(name, cache=False)

    @rule(name=names, gone=st.booleans())
    def change(self, name: str, gone: bool) -> None:
        self.newest[name] += 1
        self.numbers[name] = None if gone else self.newest[name]

    @precondition(lambda self: self.transport.held)
    @rule(data=st.data())
    def answer_one(self, data: st.DataObject) -> None:
        """Answer any of the requests, also one that others have overtaken."""
        self.answer(data.draw(st.sampled_from(self.transport.held)))

    @rule(name=names, gone=st.booleans())
    def answer_two_in_reverse(self, name: str, gone: bool) -> None:
        """The later of two requests is answered first, with what has changed between them."""
        self.read(name, cache=False)
        self.change(name, gone)
        self.read(name, cache=False)
        for held in reversed([held for held in self.transport.held if held.name == name]):
            self.answer(held)

    @rule(name=names, rotate=st.booleans())
    def revalidate(self, name: str, rotate: bool) -> None:
        """Ask again for a copy that is old, with the same API key or another one."""
        self.read(name)
        for held in [held for held in self.transport.held if held.name == name]:
            self.answer(held)
        self.advance(TTL + REVALIDATE + 1)
        if rotate:
            self.rotate_the_key("key_2" if self.tokens.api_key == "key_1" else "key_1")
        self.read(name)

    @precondition(lambda self: self.transport.held)
    @rule(data=st.data(), status=st.sampled_from([503, 502, 429, 304]))
    def fail_one(self, data: st.DataObject, status: int) -> None:
        held = data.draw(st.sampled_from(self.transport.held))
        if status == 304 and "If-None-Match" in held.request.headers:
            status = 503
        assert not self.reply(held, status, b'{"message": "down"}')

    @precondition(lambda self: self.transport.held)
    @rule(data=st.data())
    def fail_an_attempt(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(self.transport.held))
        if held.on_attempt_failed is not None:
            held.on_attempt_failed(ConnectionError("no route"))
        self.run()

    @precondition(lambda self: self.transport.held)
    @rule(data=st.data())
    def answer_another_question(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(self.transport.held))
        other = next(name for name in NAMES if name != held.name)
        assert not self.reply(held, 200, json.dumps(self.document(other, 99)).encode())

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def cancel_a_reader(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.readers))[0].cancel()
        self.run()

    @rule(seconds=spans)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.run()

    @rule(name=names)
    def invalidate_it(self, name: str) -> None:
        self.api.invalidate(name)
        self.invalidate(name)
        assert self.api.peek(name) is None
        self.run()

    @rule()
    def clear(self) -> None:
        self.api.clear()
        for name in NAMES:
            self.invalidate(name)
            assert self.api.peek(name) is None
        self.run()

    @rule(key=st.sampled_from(["key_1", "key_2"]))
    def rotate_the_key(self, key: str) -> None:
        self.tokens.api_key = key

    @invariant()
    def a_fresh_copy_is_that_of_the_latest_answer(self) -> None:
        for name in NAMES if hasattr(self, "api") else ():
            version = self.api.peek(name)
            if version is None:
                continue
            order, number = self.known[name]
            assert version.version_number == number, "an earlier answer replaced a later one"
            assert order > self.invalidated[name], "an answer from before an invalidation was stored"
            assert not version.is_stale
            assert not version.is_fallback

    @invariant()
    def the_cache_keeps_its_limits(self) -> None:
        if hasattr(self, "api"):
            assert len(self.api._memory) <= self.max_entries
            assert self.api._memory.size == sum(entry.size for entry in self.api._memory._entries.values())

    @invariant()
    def no_reader_hangs(self) -> None:
        if hasattr(self, "api"):
            assert not self.readers or self.transport.held, "a reader waits, and nothing was asked"

    @invariant()
    def the_service_is_not_asked_twice_for_the_same(self) -> None:
        if not hasattr(self, "api"):
            return
        for name in NAMES:
            shared = [
                held
                for held in self.transport.held
                if held.name == name
                and held.on_attempt_failed is not None
                and held.order > self.overtaken(name)
            ]
            assert len(shared) <= 1

    def overtaken(self, name: str) -> int:
        """Return the order before which a request may be in flight beside a later one."""
        return max(self.invalidated[name], self.known.get(name, (0, None))[0])

    def teardown(self) -> None:
        if hasattr(self, "api"):
            self.stop()


def test_prompt_cache_keeps_its_promises(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    run_state_machine_as_test(
        PromptCacheMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],  # the others look at files while the loop runs
            report_multiple_bugs=False,
            derandomize="SCOPE_TEST_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
