"""One trace, and one span for each of our calls, whatever else instruments the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor, create_trace_config
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_current_span

from scope_async import ApiKeyCredentials, ScopeClient
from scope_async.telemetry.events import Event
from scope_async.telemetry.otel import OpenTelemetryHook
from tests.fakes.transport import document
from tests.integration.telemetry.in_memory_otel import EXCHANGE, GET, WAIT, facts, points_of

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_of_key_1")


class Service:
    """Scope as it is seen from the wire: which `traceparent` came with which request."""

    def __init__(self) -> None:
        self.refused = 0
        self.traceparents: dict[str, list[str | None]] = {"exchange": [], "prompt": []}

    async def exchange(self, request: web.Request) -> web.Response:
        self.traceparents["exchange"].append(request.headers.get("traceparent"))
        return web.json_response(
            {"access_token": f"t{len(self.traceparents['exchange'])}", "expires_in": 3600}
        )

    async def prompt(self, request: web.Request) -> web.Response:
        self.traceparents["prompt"].append(request.headers.get("traceparent"))
        if self.refused:
            self.refused -= 1
            return web.json_response({"message": "no"}, status=401)
        return web.json_response(document("greeting", 1))


class Telemetry:
    """The application's providers, and what was exported."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.tracer = self.provider.get_tracer("app")
        self.hook = OpenTelemetryHook(tracer_provider=self.provider, meter_provider=self.meters)

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if name in (None, span.name)]

    def names(self) -> list[str]:
        return sorted(span.name for span in self.spans())


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture(params=[True, False], ids=["instrumented", "plain"])
def instrumented(request: pytest.FixtureRequest, telemetry: Telemetry) -> Iterator[bool]:
    """aiohttp's own instrumentation, on and off."""
    contrib = AioHttpClientInstrumentor()
    if request.param:
        contrib.instrument(tracer_provider=telemetry.provider, meter_provider=telemetry.meters)
    yield request.param
    if request.param:
        contrib.uninstrument()


@asynccontextmanager
async def opened(telemetry: Telemetry, **options: Any) -> AsyncIterator[tuple[ScopeClient, Service]]:
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/auth/applications/login", service.exchange)
    app.router.add_get("/api/v1/prompts/{name}/production", service.prompt)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        options = {"hooks": [telemetry.hook], **options}
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url, **options) as scope:
            await scope.tokens.get()
            yield scope, service


def traceparent(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("cache", [True, False], ids=["shared fetch", "in the caller's task"])
async def test_trace_goes_on_at_the_service_with_our_span(telemetry: Telemetry, cache: bool) -> None:
    async with opened(telemetry) as (scope, service):
        with telemetry.tracer.start_as_current_span("handler"):
            await scope.get_prompt_version("greeting", cache=cache)
    assert telemetry.names() == sorted([EXCHANGE, GET, "handler", *([WAIT] if cache else [])])
    handler, fetch = (telemetry.spans(name)[0].context for name in ("handler", GET))
    assert handler is not None
    assert fetch is not None
    assert handler.trace_id == fetch.trace_id
    assert service.traceparents["prompt"] == [traceparent(telemetry.spans(GET)[0])]
    assert service.traceparents["exchange"] == [traceparent(telemetry.spans(EXCHANGE)[0])]
    durations = points_of(telemetry.reader)["http.client.request.duration"]
    assert [point.count for point in durations] == [1, 1]


@pytest.mark.usefixtures("instrumented")
async def test_replay_after_a_401_is_an_attempt_of_the_same_span(telemetry: Telemetry) -> None:
    async with opened(telemetry) as (scope, service):
        service.refused = 1
        await scope.get_prompt_version("greeting")
    (fetch,) = telemetry.spans(GET)
    assert facts(fetch)["http.request.resend_count"] == 1
    assert "scope.attempt.failed" in [event.name for event in fetch.events]
    assert service.traceparents["prompt"] == [traceparent(fetch)] * 2
    assert telemetry.names() == sorted([EXCHANGE, EXCHANGE, GET, WAIT])


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(
    ("suppress", "cache", "names"),
    [
        (suppress_http_instrumentation, True, [EXCHANGE, WAIT]),
        (suppress_http_instrumentation, False, [EXCHANGE]),
        (suppress_instrumentation, True, [EXCHANGE]),
        (suppress_instrumentation, False, [EXCHANGE]),
        (nullcontext, True, [EXCHANGE, GET, WAIT]),
    ],
)
async def test_suppression_by_the_application_is_honoured(
    telemetry: Telemetry, suppress: Any, cache: bool, names: list[str]
) -> None:
    async with opened(telemetry) as (scope, service):
        with suppress():
            await scope.get_prompt_version("greeting", cache=cache)
        assert len(service.traceparents["prompt"]) == 1
    assert telemetry.names() == sorted(names)
    assert GET in names or service.traceparents["prompt"] == [None]


@pytest.mark.usefixtures("instrumented")
async def test_session_with_trace_configs_sees_our_span_and_makes_none(telemetry: Telemetry) -> None:
    seen: list[int] = []

    async def note(*_: Any) -> None:
        seen.append(get_current_span().get_span_context().span_id)

    own = aiohttp.TraceConfig()
    own.on_request_start.append(note)
    configs = [create_trace_config(tracer_provider=telemetry.provider), own]
    async with (
        aiohttp.ClientSession(trace_configs=configs) as session,
        opened(telemetry, session=session) as (scope, _),
    ):
        await scope.get_prompt_version("greeting")
        (fetch,) = telemetry.spans(GET)
        assert fetch.context is not None
        assert seen == [fetch.context.span_id]
        with suppress_http_instrumentation():
            await scope.get_prompt_version("greeting", cache=False)
        assert "GET" not in telemetry.names()
        async with session.get(scope.config.base_url):
            pass
    assert "GET" in telemetry.names(), "a request of the application has the span that it had before"


async def test_fastapi_and_aiohttp_beside_us_share_one_trace(telemetry: Telemetry) -> None:
    AioHttpClientInstrumentor().instrument(tracer_provider=telemetry.provider)
    app = FastAPI()
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=telemetry.provider, exclude_spans=["receive", "send"]
    )
    try:
        async with opened(telemetry) as (scope, service):

            @app.get("/greet")
            async def greet() -> str:
                return (await scope.get_prompt_version("greeting")).name

            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
                assert (await browser.get("/greet")).json() == "greeting"
    finally:
        AioHttpClientInstrumentor().uninstrument()
    ours = [span for span in telemetry.spans() if span.name != EXCHANGE]
    assert sorted(span.name for span in ours) == sorted(["GET /greet", GET, WAIT])
    assert len({span.context.trace_id for span in ours if span.context}) == 1
    assert service.traceparents["prompt"] == [traceparent(telemetry.spans(GET)[0])]


async def test_one_hook_serves_several_clients(telemetry: Telemetry) -> None:
    async with opened(telemetry) as (one, _), opened(telemetry, environment="staging") as (other, _):
        for scope in (one, other):
            await scope.get_prompt_version("greeting")
        lives = points_of(telemetry.reader)["scope.token.expires_in"]
        assert {point.attributes["scope.environment"] for point in lives} == {"production", "staging"}
        for scope in (one, other):
            scope.tokens.invalidate(await scope.tokens.get())
            await scope.tokens.get()
    firsts, renewals = telemetry.spans(EXCHANGE)[:2], telemetry.spans(EXCHANGE)[2:]
    ids = [span.context.span_id for span in firsts if span.context]
    assert [link.context.span_id for span in renewals for link in span.links] == ids


async def test_hook_that_passes_everything_on_keeps_the_trace(telemetry: Telemetry) -> None:
    class PassesOn:
        def __init__(self, hook: OpenTelemetryHook) -> None:
            self.inject, self.around_attempt = hook.inject, hook.around_attempt
            self._hook = hook

        def __call__(self, event: Event, /) -> None:
            self._hook(event)

    async with opened(telemetry, hooks=[PassesOn(telemetry.hook)]) as (scope, service):
        await scope.get_prompt_version("greeting")
    assert service.traceparents["prompt"] == [traceparent(telemetry.spans(GET)[0])]
