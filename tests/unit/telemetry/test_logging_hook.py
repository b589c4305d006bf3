"""Quiet by default, one switch to see it, one line and one set of facts for each event."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from scope_async import ConfigurationError, ScopeClient, TokenSource
from scope_async.telemetry.dispatcher import log_hooks
from scope_async.telemetry.events import (
    CacheHit,
    RequestFailed,
    RequestRetried,
    ResponseReceived,
    StaleServed,
)
from scope_async.telemetry.logging_hook import LoggingHook
from tests.fakes.clock import InstantClock
from tests.fakes.exchange import ADDRESSES, CREDENTIALS

RETRIED = RequestRetried(
    operation="prompts.get", request_id="r", attempt=1, delay_ms=500.0, error="ServerError", status=503
)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The package's logger, as it was before when the test is over."""
    logger = logging.getLogger("scope_async")
    handlers, level = [*logger.handlers], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def run(script: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


CALL = """
import asyncio
from scope_async import ApiKeyCredentials, ScopeClient
CREDENTIALS = ApiKeyCredentials(org_id="org_1", api_key="key_1", api_secret="secret_1")
async def main():
    options = {"base_url": "http://127.0.0.1:9", "auth_api_url": "http://127.0.0.1:9", "max_retries": 0}
    async with ScopeClient(CREDENTIALS, **options) as scope:
        await scope.get_prompt_version("greeting", fallback="Hi")
asyncio.run(main())
"""


def test_log_is_silent_by_default() -> None:
    assert run(CALL) == ""


def test_scope_log_writes_the_log_to_stderr() -> None:
    warnings = run(CALL, SCOPE_LOG="warning")
    assert (
        "WARNING scope_async.prompts prompts cannot be fetched: prompt:greeting:production, using the"
        in warnings
    )
    assert "CacheMiss" not in warnings
    everything = run(CALL, SCOPE_LOG="DEBUG")
    assert "DEBUG scope_async.events CacheMiss call_id=" in everything
    assert "secret_1" not in everything


def test_scope_log_must_name_a_level(monkeypatch) -> None:
    monkeypatch.setenv("SCOPE_LOG", "loud")
    for build in (ScopeClient, TokenSource):
        with pytest.raises(ConfigurationError, match="SCOPE_LOG must be one of debug, info, warning, error"):
            build(CREDENTIALS, **ADDRESSES)


def test_scope_log_adds_one_handler_for_many_clients(monkeypatch, root: logging.Logger) -> None:
    monkeypatch.setenv("SCOPE_LOG", "info")
    before = len(root.handlers)
    for _ in range(3):
        (hook,) = log_hooks()
        assert isinstance(hook, LoggingHook)
    assert len(root.handlers) == before + 1
    assert root.level == logging.INFO


def test_event_is_one_line_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "scope_async"):
        LoggingHook()(RETRIED)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("scope_async.events", "INFO")
    assert record.getMessage() == (
        "RequestRetried operation=prompts.get request_id=r attempt=1 delay_ms=500.0 error=ServerError "
        "status=503"
    )
    assert vars(record)["scope_event"] == "RequestRetried"
    assert vars(record)["scope_facts"]["status"] == 503


def test_event_with_line_breaks_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "scope_async"):
        LoggingHook()(CacheHit(prompt="a\nERROR b=c", selector="two words", fresh=True))
    assert caplog.messages == [r"CacheHit prompt='a\nERROR b=c' selector='two words' fresh=True"]


def test_event_with_a_log_line_of_its_own_is_not_logged_twice(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "scope_async"):
        LoggingHook()(StaleServed(prompt="p", selector="latest", age_ms=1.0, error="ServerError"))
    assert not caplog.records


FAILED = RequestFailed(
    operation="prompts.ping", request_id="r", error="ServerError", status=503, attempts=1, duration_ms=2.0
)
ANSWERED = ResponseReceived(operation="prompts.ping", request_id="r", status=200, attempts=1, duration_ms=2.0)


def test_failing_calls_are_one_episode_for_each_operation(caplog: pytest.LogCaptureFixture) -> None:
    clock = InstantClock()
    hook = LoggingHook(clock=clock).for_client(base_url="http://localhost:1", environment="production")
    for _ in range(2000):
        clock.now += 0.05
        hook(FAILED)
    hook(ANSWERED)
    hook(msgspec.structs.replace(FAILED, operation="keys.list"))
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 4
    began, minute, ended, other = caplog.messages
    assert began.startswith(
        "RequestFailed operation=prompts.ping: operation=prompts.ping request_id=r error=Server"
    )
    assert "for 60 s (ServerError: 12" in minute
    assert ": over, since" in ended
    assert "(ServerError: 2000)" in ended
    assert other.startswith("RequestFailed operation=keys.list: ")
    assert {vars(record)["scope_event"] for record in caplog.records} == {"RequestFailed"}
    assert vars(caplog.records[0])["scope_facts"]["status"] == 503


@pytest.mark.parametrize(
    ("operation", "error"),
    [("exchange", "ServerError"), ("prompts.get", "TimeoutError"), ("keys.list", "CancelledError")],
)
def test_failure_that_is_told_elsewhere_is_debug(
    caplog: pytest.LogCaptureFixture, operation: str, error: str
) -> None:
    with caplog.at_level(logging.DEBUG, "scope_async"):
        LoggingHook()(msgspec.structs.replace(FAILED, operation=operation, error=error))
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_logging_hook_takes_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mine"):
        LoggingHook(logging.getLogger("mine"))(RETRIED)
        LoggingHook(logging.getLogger("mine"))(CacheHit(prompt="p", selector="latest", fresh=True))
    assert [record.name for record in caplog.records] == ["mine"]
