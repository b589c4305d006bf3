"""A FastAPI service whose traces show the prompt version behind each answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import SpanKind, TracerProvider

from scope_async import ScopeClient


def scope_of(request: Request) -> ScopeClient:
    scope: ScopeClient = request.app.state.scope
    return scope


def build_app(scope: ScopeClient, tracer_provider: TracerProvider | None = None) -> FastAPI:
    """Return the application; without `provider`, spans go to the global one."""
    tracer = trace.get_tracer("greeter", tracer_provider=tracer_provider)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with scope:
            await scope.ping()
            app.state.scope = scope
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/greet/{name}")
    async def greet(name: str, scope: Annotated[ScopeClient, Depends(scope_of)]) -> dict[str, str]:
        version = await scope.get_prompt_version("greeting")
        prompt = version.render(name=name)
        # Here a real service calls its model, whose client is instrumented and creates this span.
        with tracer.start_as_current_span("chat parrot-1", kind=SpanKind.CLIENT) as span:
            span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "parrot-1"})
            span.set_attributes(version.otel_attributes())
            return {"text": prompt}

    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=tracer_provider, exclude_spans=["receive", "send"]
    )
    return app
