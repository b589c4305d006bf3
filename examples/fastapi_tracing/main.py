"""Serve one request and print its trace as a tree.

Run it with `python main.py`. The service, a Scope of its own and the exporter are all in this
process. Scope fails once, so that the trace has a retry in it.
"""

from __future__ import annotations

import asyncio

import aiohttp
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from service import build_app
from trace_tree import tree
from uvicorn import Config, Server

from scope_async import ScopeClient
from scope_async.local import LocalScope
from scope_async.telemetry.otel import OpenTelemetryHook


async def ask(local: LocalScope, provider: TracerProvider) -> None:
    """Serve one request on a free port."""
    scope = ScopeClient(
        local.credentials,
        base_url=local.url,
        auth_api_url=local.url,
        retry_base_delay=0.01,
        hooks=[OpenTelemetryHook(tracer_provider=provider)],
    )
    server = Server(Config(build_app(scope, provider), port=0, log_level="critical", ws="none"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    local.faults.status("prompt", 503, times=1)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        session.get("/greet/Ada") as answer,
    ):
        print(await answer.text())
    await server.shutdown()


async def main() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        await ask(local, provider)
    spans = exporter.get_finished_spans()
    trace_id = next(
        span.context.trace_id for span in spans if span.name == "GET /greet/{name}" and span.context
    )
    ours = [span for span in spans if span.context and span.context.trace_id == trace_id]
    print(f"\nThe trace of the request:\n\n{tree(ours)}")
    others = [span for span in spans if span not in ours]
    print(f"\nBefore it, in traces of their own:\n\n{tree(others)}")


if __name__ == "__main__":
    asyncio.run(main())
