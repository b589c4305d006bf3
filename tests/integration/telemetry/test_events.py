"""The events of a real client: all of them, once, without a secret."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scope_async import ApiKeyCredentials, InvalidCredentialsError, ScopeClient, ScopeError
from scope_async.local import LocalScope
from scope_async.stores import Lease
from scope_async.telemetry import events
from scope_async.telemetry.events import (
    CacheMiss,
    ClientClosed,
    ClientStarted,
    Event,
    FetchWaited,
    RequestFailed,
    RequestStarted,
    ResponseReceived,
)
from scope_async.telemetry.logging_hook import LoggingHook
from scope_async.telemetry.otel import OpenTelemetryHook
from tests.fakes.memory_store import MemoryStore
from tests.fakes.waiting import until

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text(encoding="utf-8")
KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
TEXT = "The text of the prompt, {{name}}"
VALUE = "the value of a variable"


def client_of(local: LocalScope, *hooks: Any, **options: Any) -> ScopeClient:
    options = {"base_url": local.url, "auth_api_url": local.url, "retry_base_delay": 0.0} | options
    credentials = options.pop("credentials", local.credentials)
    return ScopeClient(credentials, hooks=hooks, clock=local.clock, **options)


async def everything(local: LocalScope, *hooks: Any) -> list[str]:
    """Have every event happen; return what must never be seen."""
    await local.add_prompt("secretive", TEXT)
    other = await local.create_key("other")
    current = [local.credentials]

    async def provider() -> ApiKeyCredentials:
        return current[0]

    secrets = [local.credentials.api_secret, other.api_secret, TEXT, TEXT[:12], VALUE]
    # A call waits for all of `timeout` while the auth API is away.
    options = {"credentials": provider, "token_refresh_buffer": 5000, "timeout": 2.0}
    async with client_of(local, *hooks, **options) as scope:
        secrets.append((await scope.tokens.get()).value)
        await scope.prefetch(["secretive"])
        await scope.render_prompt("secretive", {"name": VALUE})
        local.clock.advance(310)
        await scope.get_prompt_version("secretive")
        await local.journal.wait_for("prompt", 2)
        local.faults.status("any", 503)
        await scope.get_prompt_version("nothing", fallback="Hi")
        local.clock.advance(1000)
        await scope.get_prompt_version("secretive")
        local.clock.advance(7200)
        with suppress(ScopeError):
            await scope.get_prompt_version("secretive", cache=False)
        local.faults.clear()
        current[0] = other
        local.clock.advance(60)
        secrets.append((await scope.tokens.get()).value)
        local.faults.status("exchange", 401)
        await local.revoke_key(other.api_key)
        with suppress(ScopeError):
            await scope.get_prompt_version("secretive", cache=False)
    local.faults.clear()
    await everything_shared(local, *hooks)
    return secrets


class ForgetfulStore(MemoryStore):
    """Forgets who has a lease, once it is told to."""

    forgets = False

    def _holds(self, lease: Lease) -> bool:
        return not self.forgets and super()._holds(lease)


async def everything_shared(local: LocalScope, *hooks: Any) -> None:
    """Have every event of a shared store happen."""
    store, seen = ForgetfulStore(local.clock.monotonic), set[str]()
    hooks = (*hooks, lambda event: seen.add(type(event).__name__))
    async with client_of(local, *hooks, store=store) as one, client_of(local, *hooks, store=store) as two:
        await one.get_prompt_version("secretive")
        await until(lambda: len(store.entries) == 2)
        await two.get_prompt_version("secretive")
        store.forgets = True
        await one.get_prompt_version("secretive", cache=False)
        await until(lambda: "LeaseLost" in seen)
        store.fail(OSError("no route"))
        await until(lambda: "StoreUnavailable" in seen)
        store.failure = None
        local.clock.advance(10)
        await until(lambda: "StoreAvailable" in seen)


async def test_events_all_happen_and_show_no_secret(
    local: LocalScope, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Event] = []
    exporter, reader, provider = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    otel = OpenTelemetryHook(tracer_provider=provider, meter_provider=MeterProvider([reader]))
    with caplog.at_level(logging.DEBUG, "scope_async"):
        secrets = await everything(local, seen.append, otel, LoggingHook())
    missing = {kind.__name__ for kind in KINDS} - {type(event).__name__ for event in seen}
    assert not missing
    metrics = reader.get_metrics_data()
    assert metrics is not None
    shown = {
        "events": repr(seen),
        "spans": "".join(span.to_json() for span in exporter.get_finished_spans()),
        "metrics": metrics.to_json(),
        "log": "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records),
    }
    for place, text in shown.items():
        assert len(text) > 1000
        for secret in secrets:
            assert secret not in text, f"{place} show {secret!r}"


async def test_events_end_every_call_and_every_wait_once(local: LocalScope) -> None:
    seen: list[Event] = []
    await everything(local, seen.append)
    started = Counter(event.request_id for event in seen if isinstance(event, RequestStarted))
    ended = Counter(e.request_id for e in seen if isinstance(e, ResponseReceived | RequestFailed))
    assert started == ended
    assert set(started.values()) == {1}
    misses = Counter(event.call_id for event in seen if isinstance(event, CacheMiss))
    assert misses == Counter(event.call_id for event in seen if isinstance(event, FetchWaited))
    assert isinstance(seen[0], ClientStarted)
    assert isinstance(seen[-1], ClientClosed)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_events_and_their_fields_are_documented(kind) -> None:
    (row,) = re.findall(rf"^\| `{kind.__name__}` \|.*\|(.*)\|$", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(kind.__struct_fields__)


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        (("status", 500), "ServerError", 500),
        (("status", 403), "AuthorizationError", 403),
        (("drop",), "ConnectionError", None),
        (("malformed",), "ServerError", 200),
    ],
)
async def test_failed_call_is_reported(local: LocalScope, fault, error, status) -> None:
    seen: list[Event] = []
    async with client_of(local, seen.append, max_retries=0) as scope:
        getattr(local.faults, fault[0])("prompt", *fault[1:])
        with pytest.raises(ScopeError):
            await scope.get_prompt_version("greeting")
    (failure,) = (event for event in seen if isinstance(event, RequestFailed))
    assert (failure.operation, failure.error, failure.status) == ("prompts.get", error, status)
    assert failure.attempts == 1


async def test_failed_exchange_is_reported(local: LocalScope) -> None:
    seen: list[Event] = []
    wrong = local.credentials.__replace__(api_secret="wrong")
    async with client_of(local, seen.append, credentials=wrong) as scope:
        with pytest.raises(InvalidCredentialsError):
            await scope.get_prompt_version("greeting")
    failures = [event for event in seen if isinstance(event, RequestFailed)]
    assert ("exchange", 401) in {(failure.operation, failure.status) for failure in failures}


async def test_cancelled_call_is_reported(local: LocalScope) -> None:
    seen: list[Event] = []
    async with client_of(local, seen.append) as scope:
        await scope.tokens.get()
        local.faults.hang("prompt")
        task = asyncio.create_task(scope.get_prompt_version("greeting", cache=False))
        await local.journal.wait_for_arrival("prompt")
        task.cancel()
        await asyncio.wait({task})
    (failure,) = (event for event in seen if isinstance(event, RequestFailed))
    assert (failure.error, failure.status) == ("CancelledError", None)


async def test_hook_that_never_returns_delays_neither_a_call_nor_other_hooks(local: LocalScope) -> None:
    forever = asyncio.Event()
    seen: list[Event] = []

    async def slow(_: Event) -> None:
        await forever.wait()

    async with client_of(local, slow, seen.append) as scope:
        for _ in range(3):
            assert await scope.render_prompt("greeting", {"name": "Ada"}, label="latest") == "Hello, Ada!"
        forever.set()
    assert seen


async def test_async_hook_gets_the_last_event(local: LocalScope) -> None:
    seen: list[Event] = []

    async def hook(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    async with client_of(local, hook) as scope:
        await scope.ping()
    assert isinstance(seen[-1], ClientClosed)


async def test_telemetry_disabled_calls_no_hook_and_makes_no_event(local: LocalScope, monkeypatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("an event was made")

    for kind in KINDS:
        monkeypatch.setattr(kind, "__init__", forbidden)
    # One event per exchange is made without a hook: that is one in an hour.
    monkeypatch.setattr("scope_async.auth.instrumentation.TokenInstrumentation.obtained", lambda *_: None)
    async with client_of(local, forbidden, telemetry_enabled=False) as scope:
        await scope.get_prompt_version("greeting")
        await scope.get_prompt_version("greeting")
        await scope.get_prompt_version("greeting", cache=False)
        await scope.prefetch(["greeting"])
