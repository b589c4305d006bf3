"""Spans from a real client over real sockets: whose child each is, what it says, how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import SpanKind, StatusCode

from scope_async import ConnectionError, ServerError
from scope_async.local import LocalScope
from tests.integration.telemetry.in_memory_otel import (
    EXCHANGE,
    GET,
    HELD,
    WAIT,
    Traced,
    facts,
    links_of,
    parent_of,
    tracing,
)


@pytest.fixture
async def traced(local: LocalScope) -> AsyncIterator[Traced]:
    async with tracing(local) as traced:
        yield traced


async def test_miss_is_a_child_of_the_current_span_and_the_fetch_its_child(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("handler") as handler:
        await traced.scope.get_prompt_version("greeting")
    wait, fetch = traced.one(WAIT), traced.one(GET)
    assert wait.kind is SpanKind.INTERNAL
    assert parent_of(wait) == handler.get_span_context().span_id
    assert parent_of(fetch) == wait.context.span_id
    assert facts(wait) == {
        "gen_ai.prompt.name": "greeting",
        "gen_ai.prompt.version": "1",
        "scope.prompt.name": "greeting",
        "scope.prompt.version": "1",
        "scope.prompt.selector": "production",
        "scope.outcome": "fetched",
    }
    assert {wait.status.status_code, fetch.status.status_code} == {StatusCode.UNSET}


async def test_call_has_the_attributes_of_the_http_conventions(traced: Traced, local: LocalScope) -> None:
    await traced.scope.get_prompt_version("greeting", cache=False)
    fetch = traced.one(GET)
    (request,) = (entry for entry in local.journal.entries if entry.operation == "prompt")
    port = int(local.url.rpartition(":")[2])
    assert fetch.kind is SpanKind.CLIENT
    assert facts(fetch) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": f"{local.url}/api/v1/prompts/greeting/production",
        "url.template": "/api/v1/prompts/{name}/production",
        "server.address": "127.0.0.1",
        "server.port": port,
        "scope.request_id": request.request_id,
        "gen_ai.prompt.name": "greeting",
        "gen_ai.prompt.version": "1",
        "scope.prompt.name": "greeting",
        "scope.prompt.version": "1",
    }


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"label": "latest"}, "GET /api/v1/prompts/{name}/latest"),
        ({"version": "nobody"}, "GET /api/v1/prompts/{name}/versions/{version_id}"),
    ],
)
async def test_span_name_has_nothing_that_varies(traced: Traced, options, name) -> None:
    await asyncio.gather(traced.scope.get_prompt_version("greeting", **options), return_exceptions=True)
    assert len(traced.named(name)) == 1


async def test_call_in_the_callers_own_task_is_its_child(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("handler") as handler:
        await traced.scope.get_prompt_version("greeting", cache=False)
        await traced.scope.ping()
    spans = [span for span in traced.exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]
    children = [span for span in spans if parent_of(span) == handler.get_span_context().span_id]
    assert len(children) == 2
    assert not traced.named(WAIT)


@pytest.mark.parametrize("prompts", [1, 1000])
async def test_concurrent_calls_have_the_right_parents(local: LocalScope, prompts: int) -> None:
    for number in range(prompts):
        await local.add_prompt(f"p{number}", f"{number}")

    async with tracing(local) as traced:

        async def handle(number: int) -> tuple[int, str]:
            name = f"p{number % prompts}"
            with traced.tracer.start_as_current_span(f"handler {number}") as handler:
                await traced.scope.get_prompt_version(name)
                return handler.get_span_context().span_id, name

        handlers = await asyncio.gather(*(handle(number) for number in range(1000)))
        names = dict(handlers)
        waits, fetches = traced.named(WAIT), traced.named(GET)
        exchange = traced.one(EXCHANGE)
    assert len(names) == len(waits) == 1000
    assert {parent_of(wait): facts(wait)["gen_ai.prompt.name"] for wait in waits} == names
    assert len(fetches) == prompts
    by_id = {wait.context.span_id: wait for wait in waits}
    fetch_of = {facts(fetch)["gen_ai.prompt.name"]: fetch for fetch in fetches}
    for fetch in fetches:
        began = by_id[parent_of(fetch)]
        assert facts(began)["gen_ai.prompt.name"] == facts(fetch)["gen_ai.prompt.name"]
        assert fetch.context.trace_id == began.context.trace_id
        assert not began.links
    shared = Counter(len(wait.links) for wait in waits)
    assert shared == ({0: 1, 1: 999} if prompts == 1 else {0: 1000})
    for wait in waits:
        assert set(links_of(wait)) <= {fetch_of[facts(wait)["gen_ai.prompt.name"]].context.span_id}
    assert exchange.parent is None


async def test_retries_are_events_of_one_span(traced: Traced, local: LocalScope) -> None:
    local.faults.status("prompt", 503, times=2)
    await traced.scope.get_prompt_version("greeting")
    fetch = traced.one(GET)
    assert fetch.status.status_code is StatusCode.UNSET
    assert facts(fetch)["http.request.resend_count"] == 2
    assert facts(fetch)["http.response.status_code"] == 200
    assert [(event.name, dict(event.attributes or {})) for event in fetch.events] == [
        ("scope.attempt.failed", {"scope.attempt": n, "scope.retry.delay_ms": 0.0, "error.type": "503"})
        for n in (1, 2)
    ]


async def test_error_ends_both_spans_with_its_type(local: LocalScope) -> None:
    async with tracing(local, max_retries=0) as traced:
        local.faults.status("prompt", 500)
        with pytest.raises(ServerError):
            await traced.scope.get_prompt_version("greeting")
    wait, fetch = traced.one(WAIT), traced.one(GET)
    assert {wait.status.status_code, fetch.status.status_code} == {StatusCode.ERROR}
    assert facts(wait)["error.type"] == "ServerError"
    assert facts(wait)["scope.outcome"] == "failed"
    assert facts(fetch)["error.type"] == "500"
    assert facts(fetch)["http.response.status_code"] == 500


async def test_network_failure_ends_a_span_with_its_class(local: LocalScope) -> None:
    async with tracing(local, max_retries=0) as traced:
        local.faults.drop("prompt")
        with pytest.raises(ConnectionError):
            await traced.scope.get_prompt_version("greeting", cache=False)
    fetch = traced.one(GET)
    assert facts(fetch)["error.type"] == "ConnectionError"
    assert "http.response.status_code" not in facts(fetch)


async def test_cancelled_caller_ends_its_own_span_and_not_the_fetch(
    traced: Traced, local: LocalScope
) -> None:
    local.faults.latency("prompt", HELD)
    first = asyncio.create_task(traced.scope.get_prompt_version("greeting"))
    second = asyncio.create_task(traced.scope.get_prompt_version("greeting"))
    await local.journal.wait_for_arrival("prompt")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    cancelled = traced.one(WAIT)
    assert facts(cancelled)["error.type"] == "CancelledError"
    assert cancelled.status.status_code is StatusCode.ERROR
    assert not traced.named(GET)
    local.clock.advance(HELD)
    await second
    fetch = traced.one(GET)
    assert fetch.status.status_code is StatusCode.UNSET
    assert parent_of(fetch) == cancelled.context.span_id
    assert links_of(traced.named(WAIT)[1]) == [fetch.context.span_id]


async def test_cancelled_call_ends_its_span(traced: Traced, local: LocalScope) -> None:
    local.faults.latency("prompt", HELD)
    task = asyncio.create_task(traced.scope.get_prompt_version("greeting", cache=False))
    await local.journal.wait_for_arrival("prompt")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    local.clock.advance(HELD)
    assert facts(traced.one(GET))["error.type"] == "CancelledError"


async def test_renewal_in_the_background_is_a_root_with_a_link(traced: Traced, local: LocalScope) -> None:
    await traced.scope.get_prompt_version("greeting")
    local.clock.advance(310)  # past cache_ttl, within stale_while_revalidate
    with traced.tracer.start_as_current_span("handler") as handler:
        await traced.scope.get_prompt_version("greeting")
    while len(traced.named(GET)) < 2:
        await asyncio.sleep(0.01)
    renewal = traced.named(GET)[1]
    assert renewal.parent is None
    assert links_of(renewal) == [handler.get_span_context().span_id]
    assert renewal.context.trace_id != handler.get_span_context().trace_id


async def test_exchange_is_a_root_and_its_waiters_link_to_it(local: LocalScope) -> None:
    traced = Traced(local)
    local.faults.latency("exchange", HELD)
    async with traced.scope:
        with traced.tracer.start_as_current_span("handler"):
            call = asyncio.create_task(traced.scope.get_prompt_version("greeting"))
        await local.journal.wait_for_arrival("exchange")
        local.clock.advance(HELD)
        await call
    exchange, fetch = traced.one(EXCHANGE), traced.one(GET)
    assert exchange.parent is None
    assert links_of(fetch) == [exchange.context.span_id]
    assert [event.name for event in fetch.events] == ["scope.token.waited"]


async def test_token_renewal_is_a_root_with_a_link_to_the_exchange_before(local: LocalScope) -> None:
    async with tracing(local) as traced:
        with traced.tracer.start_as_current_span("handler"):
            local.clock.advance(3590)
            await traced.scope.get_prompt_version("greeting")
        await local.journal.wait_for("exchange", 2)
        while len(traced.named(EXCHANGE)) < 2:
            await asyncio.sleep(0.01)
    first, second = traced.named(EXCHANGE)
    assert not first.links
    assert second.parent is None
    assert links_of(second) == [first.context.span_id]


@pytest.mark.parametrize("propagate", [True, False])
async def test_traceparent_is_sent_without_baggage(local: LocalScope, propagate: bool) -> None:
    sent: list[Mapping[str, str]] = []

    async def note(_: object, __: object, request: aiohttp.TraceRequestStartParams) -> None:
        sent.append(request.headers)

    watch = aiohttp.TraceConfig()
    watch.on_request_start.append(note)
    private = context.attach(baggage.set_baggage("tenant", "private"))
    async with (
        aiohttp.ClientSession(trace_configs=[watch]) as session,
        tracing(local, propagate=propagate, session=session) as traced,
    ):
        await traced.scope.get_prompt_version("greeting", cache=False)
    context.detach(private)
    span = traced.one(GET).context
    expected = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    assert [headers.get("traceparent") for headers in sent] == [expected if propagate else None]
    assert "baggage" not in sent[0]
