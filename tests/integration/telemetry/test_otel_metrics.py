"""Metrics from a real client, read from OpenTelemetry's in-memory reader."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from scope_async import InvalidCredentialsError, ServerError
from scope_async.local import LocalScope
from scope_async.telemetry.events import ClientClosed, CredentialsRefused, RenewalFailed, TokenExchanged
from scope_async.telemetry.otel import OpenTelemetryHook
from scope_async.telemetry.otel.instruments import Instruments
from scope_async.telemetry.otel.metrics import ClientMetrics
from tests.fakes.waiting import until
from tests.integration.telemetry.in_memory_otel import Traced, points_of, tracing


def reads(traced: Traced) -> dict[str, int]:
    points = traced.points()["scope.prompt.cache.reads"]
    return {point.attributes["scope.cache.result"]: point.value for point in points}


async def test_cache_read_has_one_result(local: LocalScope) -> None:
    async with tracing(local, max_retries=0) as traced:
        scope = traced.scope
        await scope.get_prompt_version("greeting")
        assert reads(traced) == {"miss": 1}
        await scope.get_prompt_version("greeting")
        assert reads(traced) == {"miss": 1, "hit": 1}
        local.faults.status("prompt", 503)
        with pytest.raises(ServerError):
            await scope.get_prompt_version("greeting", label="latest")
        assert reads(traced) == {"miss": 2, "hit": 1}
        await scope.get_prompt_version("other", fallback="Hi")
        assert reads(traced) == {"miss": 2, "hit": 1, "fallback": 1}
        local.clock.advance(1000)  # past the time of revalidation: a copy stands in
        await scope.get_prompt_version("greeting")
        assert reads(traced) == {"miss": 2, "hit": 1, "fallback": 1, "stale": 1}


async def test_call_is_measured_with_its_outcome(local: LocalScope) -> None:
    async with tracing(local, max_retries=0) as traced:
        await traced.scope.get_prompt_version("greeting", cache=False)
        local.faults.status("prompt", 500, times=1)
        with pytest.raises(ServerError):
            await traced.scope.get_prompt_version("greeting", cache=False)
        points = traced.points()["http.client.request.duration"]
    outcomes = {
        (
            point.attributes["http.request.method"],
            point.attributes["url.template"],
            point.attributes["http.response.status_code"],
            point.attributes.get("error.type"),
        ): point.count
        for point in points
    }
    template = "/api/v1/prompts/{name}/production"
    assert outcomes == {
        ("POST", "/v1/auth/applications/login", 200, None): 1,
        ("GET", template, 200, None): 1,
        ("GET", template, 500, "500"): 1,
    }
    assert points[0].explicit_bounds[0] == 0.005


async def test_exchanges_failures_and_waits_are_measured(local: LocalScope) -> None:
    local.faults.status("exchange", 401)
    traced = Traced(local)
    async with traced.scope:
        with pytest.raises(InvalidCredentialsError):
            await traced.scope.get_prompt_version("greeting")
        points = traced.points()
    exchanges = {point.attributes.get("error.type"): point.value for point in points["scope.token.exchanges"]}
    assert exchanges["401"] >= 1
    assert None not in exchanges
    (waits,) = points["scope.token.wait.duration"]
    assert waits.count == 1
    assert "scope.token.expires_in" not in points


class Gauges:
    """One client's gauges, by events and a clock that are set by hand."""

    def __init__(self) -> None:
        self.reader, self.now = InMemoryMetricReader(), 0.0
        self.instruments = Instruments(MeterProvider([self.reader]).get_meter("test"))
        self.client = self.add({})

    def add(self, attributes: dict[str, str | int]) -> ClientMetrics:
        return ClientMetrics(self.instruments, attributes, monotonic=lambda: self.now)

    def __call__(self, name: str) -> dict[tuple[Any, ...], float]:
        points = points_of(self.reader).get(name, [])
        return {tuple(sorted(dict(point.attributes).items())): point.value for point in points}


EXCHANGED = TokenExchanged(generation=1, lifetime_ms=9e3, expires_in_ms=8e3, duration_ms=1e3)
REFUSED = CredentialsRefused(error="InvalidCredentialsError", retry_in_ms=1.0)
FAILED = RenewalFailed(error="ServerError", failures=1, retry_in_ms=1.0)
AUTH, PROMPTS = (("scope.api", "auth"),), (("scope.api", "prompts"),)


def test_gauge_is_the_life_left_until_the_client_closes() -> None:
    gauges = Gauges()
    assert gauges("scope.token.expires_in") == {}
    gauges.client.exchanged(EXCHANGED)
    gauges.now = 3.0
    assert gauges("scope.token.expires_in") == {(): 5.0}
    gauges.now = 30.0
    assert gauges("scope.token.expires_in") == {(): 0.0}
    gauges.client.closed()
    assert gauges("scope.token.expires_in") == {}


def test_refusal_and_outage_of_the_auth_api_end_with_a_token() -> None:
    gauges = Gauges()
    gauges.client.renewal_failed(FAILED)
    gauges.now = 7.0
    gauges.client.renewal_failed(FAILED)
    assert (gauges("scope.outage.duration"), gauges("scope.token.refused")) == ({AUTH: 7.0}, {})
    gauges.client.refused(REFUSED)
    assert (gauges("scope.outage.duration"), gauges("scope.token.refused")) == ({AUTH: 0.0}, {(): 1.0})
    gauges.client.exchanged(EXCHANGED)
    assert (gauges("scope.outage.duration"), gauges("scope.token.refused")) == ({AUTH: 0.0}, {(): 0.0})


def test_clients_are_told_apart_and_the_worse_of_two_alike_is_shown() -> None:
    gauges = Gauges()
    twin, other = gauges.add({}), gauges.add({"scope.environment": "staging"})
    for client, left in ((gauges.client, 5e3), (twin, 2e3), (other, 9e3)):
        client.exchanged(msgspec.structs.replace(EXCHANGED, expires_in_ms=left))
    twin.refused(REFUSED)
    staging = (("scope.environment", "staging"),)
    assert gauges("scope.token.expires_in") == {(): 2.0, staging: 9.0}
    assert gauges("scope.token.refused") == {(): 1.0, staging: 0.0}
    del twin, client
    assert gauges("scope.token.expires_in") == {(): 5.0, staging: 9.0}


async def test_outage_copies_and_retries_are_measured(local: LocalScope) -> None:
    async with tracing(local, cache_ttl=10, stale_while_revalidate=0) as traced:
        await traced.scope.get_prompt_version("greeting")
        (calm,) = traced.points()["scope.prompt.copy.age"]
        assert calm.value == 0.0
        local.clock.advance(100)
        with local.faults.status("prompt", 503):
            assert (await traced.scope.get_prompt_version("greeting")).is_stale
            await local.journal.wait_for("prompt", 5)
            await until(lambda: outage(traced) > 0)
        (copy,) = traced.points()["scope.prompt.copy.age"]
        assert 100 <= copy.value < 200
        (retries,) = traced.points()["scope.request.retries"]
        assert (retries.value, retries.attributes["error.type"]) == (3, "503")
        assert retries.attributes["url.template"] == "/api/v1/prompts/{name}/production"
        local.clock.advance(100)
        assert not (await traced.scope.get_prompt_version("greeting")).is_stale
        assert outage(traced) == 0.0
        (copy,) = traced.points()["scope.prompt.copy.age"]
        assert copy.value == 0.0
        assert copy.attributes["scope.environment"] == "production"


def outage(traced: Traced) -> float:
    points = traced.points()["scope.outage.duration"]
    return next(point.value for point in points if point.attributes["scope.api"] == "prompts")


async def test_gauge_observes_the_token_of_a_real_client(local: LocalScope) -> None:
    async with tracing(local) as traced:
        (life,) = traced.points()["scope.token.expires_in"]
        assert 3000 < life.value <= 3600
    assert "scope.token.expires_in" not in traced.points()


def test_hook_without_providers_does_nothing() -> None:
    OpenTelemetryHook()(ClientClosed())


async def test_shared_entries_are_counted_apart_from_exchanges(local: LocalScope, tmp_path) -> None:
    store_url = (tmp_path / "store").as_uri()
    async with tracing(local, store_url=store_url) as first:
        await first.scope.get_prompt_version("greeting")
        assert counts(first, "scope.store.leases", "scope.store.kind") == {"token": 1, "prompt": 1}
        assert counts(first, "scope.token.exchanges", "error.type") == {None: 1}
    async with tracing(local, store_url=store_url) as second:
        await second.scope.get_prompt_version("greeting")
        assert counts(second, "scope.store.entries.taken", "scope.store.kind") == {"token": 1, "prompt": 1}
        assert "scope.token.exchanges" not in second.points()
        (life,) = second.points()["scope.token.expires_in"]
        assert 3000 < life.value <= 3600


def counts(traced: Traced, metric: str, attribute: str) -> dict[Any, int]:
    return {point.attributes.get(attribute): point.value for point in traced.points()[metric]}
