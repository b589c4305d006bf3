"""Metrics from a real client, read from OpenTelemetry's in-memory reader."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from scope_async import InvalidCredentialsError, ServerError
from scope_async.local import LocalScope
from scope_async.telemetry.events import ClientClosed, TokenExchanged
from scope_async.telemetry.otel import OpenTelemetryHook
from scope_async.telemetry.otel.metrics import Metrics
from tests.integration.telemetry.in_memory_otel import Traced, tracing


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


def test_gauge_is_the_life_left_until_the_client_closes() -> None:
    reader, now = InMemoryMetricReader(), 0.0
    metrics = Metrics(MeterProvider([reader]).get_meter("test"), monotonic=lambda: now)

    def gauge() -> list[Any]:
        found = reader.get_metrics_data()
        return (
            []
            if found is None
            else [found.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]]
        )

    assert gauge() == []
    metrics.exchanged(TokenExchanged(generation=1, lifetime_ms=9e3, expires_in_ms=8e3, duration_ms=1e3))
    now = 3.0
    assert gauge()[0].value == 5.0
    now = 30.0
    assert gauge()[0].value == 0.0
    metrics.closed()
    assert gauge() == []


async def test_gauge_observes_the_token_of_a_real_client(local: LocalScope) -> None:
    async with tracing(local) as traced:
        (life,) = traced.points()["scope.token.expires_in"]
        assert 3000 < life.value <= 3600
    assert "scope.token.expires_in" not in traced.points()


def test_hook_without_providers_does_nothing() -> None:
    OpenTelemetryHook()(ClientClosed())
