"""The contract of every Scope (1.1 to 1.4), checked against Local Scope or a Scope of your choice.

Another Scope is asked when these are set: SCOPE_CONTRACT_URL (and SCOPE_CONTRACT_AUTH_URL where
the auth API is elsewhere), SCOPE_CONTRACT_ORG_ID, SCOPE_CONTRACT_API_KEY,
SCOPE_CONTRACT_API_SECRET, and SCOPE_CONTRACT_PROMPT, the name of a text prompt that has a
production version. Nothing is written to it, unless SCOPE_CONTRACT_EDITOR_TOKEN is set: then the
lifecycle of versions is checked as well, with a new prompt each time, by the calls that Local Scope
defines below `/local/prompts`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import attrs
import pytest

from scope_async import ApiKeyCredentials, ScopeClient
from scope_async.local import LocalScope

VARIABLES = {
    name: os.environ.get(f"SCOPE_CONTRACT_{name}")
    for name in ("URL", "AUTH_URL", "ORG_ID", "API_KEY", "API_SECRET", "PROMPT", "EDITOR_TOKEN")
}
NEEDED = [name for name in VARIABLES if name not in ("AUTH_URL", "EDITOR_TOKEN")]


@attrs.frozen
class Scope:
    url: str
    auth_url: str
    credentials: ApiKeyCredentials
    prompt: str
    editor_token: str | None = attrs.field(default=None, repr=False)

    def client(self, credentials: ApiKeyCredentials | None = None) -> ScopeClient:
        return ScopeClient(credentials or self.credentials, base_url=self.url, auth_api_url=self.auth_url)

    @property
    def api(self) -> str:
        return self.url if self.url.endswith("/api/v1") else f"{self.url}/api/v1"


@pytest.fixture(params=["local", "yours"] if VARIABLES["URL"] else ["local"])
async def scope(request: pytest.FixtureRequest) -> AsyncIterator[Scope]:
    if request.param == "local":
        async with LocalScope() as local:
            await local.add_prompt("greeting", "Hello, {{name}}!", metadata={"team": "docs"}, tags=("a",))
            yield Scope(local.url, local.url, local.credentials, "greeting", local.editor_token)
        return
    missing = [f"SCOPE_CONTRACT_{name}" for name in NEEDED if not VARIABLES[name]]
    if missing:
        pytest.fail(f"set {', '.join(missing)} too", pytrace=False)
    values = {name: value or "" for name, value in VARIABLES.items()}
    yield Scope(
        values["URL"].rstrip("/"),
        (values["AUTH_URL"] or values["URL"]).rstrip("/"),
        ApiKeyCredentials(values["ORG_ID"], values["API_KEY"], values["API_SECRET"]),
        values["PROMPT"],
        VARIABLES["EDITOR_TOKEN"],
    )


class Editor:
    """Changes one new prompt of a Scope, as far as it may."""

    def __init__(self, scope: Scope, token: str, session: aiohttp.ClientSession) -> None:
        self.prompt = f"scope-async-contract-{uuid4().hex}"
        self._scope = scope
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = session

    async def send(self, method: str, path: str = "", **fields: Any) -> tuple[int, Any]:
        url = f"{self._scope.url.removesuffix('/api/v1')}/local/prompts{path}"
        body = None if method == "GET" else fields
        async with self._session.request(method, url, json=body, headers=self._headers) as response:
            return response.status, await response.json()

    async def add(self, content: str, *, publish: bool = False) -> Any:
        status, version = await self.send("POST", name=self.prompt, content=content, publish=publish)
        assert status == 201, version
        return version

    async def change(self, version: Any, action: str, **fields: Any) -> tuple[int, Any]:
        return await self.send("POST", f"/{self.prompt}/versions/{version['version_id']}/{action}", **fields)


@pytest.fixture
async def editor(scope: Scope) -> AsyncIterator[Editor]:
    if scope.editor_token is None:
        pytest.skip("SCOPE_CONTRACT_EDITOR_TOKEN is not set, so nothing may be written")
    async with aiohttp.ClientSession() as session:
        yield Editor(scope, scope.editor_token, session)
