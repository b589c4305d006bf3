"""A small FastAPI service that greets with a prompt from Scope.

SCOPE_ORG_ID=… SCOPE_API_KEY=… SCOPE_API_SECRET=… SCOPE_API_URL=… SCOPE_AUTH_API_URL=… uvicorn service:app
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from scope_async import NotFoundError, ScopeClient

FALLBACK = "Hello, {{name}}. Welcome to {{app}}."


def scope_of(request: Request) -> ScopeClient:
    scope: ScopeClient = request.app.state.scope
    return scope


def build_app(connect: Callable[[], ScopeClient] = ScopeClient.from_env) -> FastAPI:
    """Return the application; a test passes a client of its Local Scope."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connect() as scope:
            app.state.scope = scope
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/greet/{name}")
    async def greet(name: str, scope: Annotated[ScopeClient, Depends(scope_of)]) -> dict[str, str | bool]:
        version = await scope.get_prompt_version("greeting", fallback=FALLBACK)
        return {"text": version.render(name=name, app="Scope"), "fallback": version.is_fallback}

    @app.get("/prompts/{prompt}")
    async def show(prompt: str, scope: Annotated[ScopeClient, Depends(scope_of)]) -> dict[str, str | int]:
        try:
            version = await scope.get_prompt_version(prompt)
        except NotFoundError as error:
            raise HTTPException(404, f"no prompt {prompt!r}") from error
        return {"name": version.name, "version": version.version_number}

    @app.get("/health")
    async def health(scope: Annotated[ScopeClient, Depends(scope_of)]) -> dict[str, str]:
        status = scope.status()
        if not status.ready:
            raise HTTPException(503, " ".join(status.problems))
        return {"status": "ok", "token": status.tokens.state}

    return app


app = build_app()
