"""Test files as users of the plugin write them, which `test_pytest_plugin.py` runs."""

from __future__ import annotations

from textwrap import dedent

GREETING = """
    import pytest
    from scope_async import ServerError

    {mark}

    @pytest.fixture
    def scope_prompts():
        return {{"greeting": "Hello, {{{{name}}}}!"}}

    async def test_renders(scope_client):
        assert await scope_client.render_prompt("greeting", {{"name": "Ada"}}) == "Hello, Ada!"

    @pytest.mark.scope(client={{"max_retries": 0}})
    async def test_fails(scope_client, scope_faults):
        scope_faults.status("prompt", 500)
        with pytest.raises(ServerError):
            await scope_client.get_prompt_version("greeting")

    async def test_an_hour_passes(scope_client, scope_clock, local_scope):
        first = await scope_client.tokens.get()
        scope_clock.advance(3600)
        assert (await scope_client.tokens.get()).generation > first.generation
        assert local_scope.journal.count("exchange") == 2
"""

UNEXPECTED = """
    import pytest
    from scope_async import NotFoundError

    @pytest.mark.scope(strict=True)
    async def test_it(scope_client):
        with pytest.raises(NotFoundError):
            await scope_client.get_prompt_version("unprepared")
"""

SYNCHRONOUS = """
    import json
    import sys
    import urllib.request
    import warnings
    from types import ModuleType

    import django
    import pytest
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path
    from flask import Flask
    from scope_async import ScopeClient
    from scope_async.local import LocalScope

    # The frameworks warn of their own future, so only this package's warnings are errors.
    pytestmark = pytest.mark.filterwarnings("default")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

    @pytest.fixture
    def scope_prompts():
        return {"greeting": "Hello, {{name}}!"}

    def fetch(local):
        request = urllib.request.Request(
            f"{local.url}/api/v1/prompts/greeting/production",
            headers={"Authorization": f"Bearer {local.viewer_token}"},
        )
        with urllib.request.urlopen(request, timeout=5) as reply:
            return json.load(reply)

    def test_fetches(local_scope, scope_faults, scope_clock):
        assert fetch(local_scope)["content"] == "Hello, {{name}}!"
        draft = local_scope.add_prompt("greeting", "Hi", publish=False)
        local_scope.promote("greeting", draft.id, notes="shorter")
        assert fetch(local_scope)["content"] == "Hi"
        assert [entry.notes for entry in local_scope.history("greeting")] == ["shorter", None]
        assert local_scope.journal.wait_for("prompt", 2).status == 200

    def test_context_manager():
        with LocalScope(prompts={"greeting": "x"}) as local:
            assert fetch(local)["content"] == "x"

    def test_fastapi(local_scope):
        app = FastAPI()
        @app.get("/")
        async def home() -> str:
            url = local_scope.url
            async with ScopeClient(local_scope.credentials, base_url=url, auth_api_url=url) as scope:
                return await scope.render_prompt("greeting", {"name": "Ada"})
        with TestClient(app) as client:
            assert client.get("/").json() == "Hello, Ada!"

    def test_flask(local_scope):
        app = Flask("mine")
        app.add_url_rule("/", view_func=lambda: fetch(local_scope)["content"])
        assert app.test_client().get("/").text == "Hello, {{name}}!"

    def test_django(local_scope):
        urls = ModuleType("mine_urls")
        urls.urlpatterns = [path("", lambda request: HttpResponse(fetch(local_scope)["content"]))]
        sys.modules["mine_urls"] = urls
        settings.configure(ROOT_URLCONF="mine_urls", ALLOWED_HOSTS=["testserver"], SECRET_KEY="x")
        django.setup()
        assert Client().get("/").content.decode() == "Hello, {{name}}!"
"""

LOOP_SCOPES = """
    import asyncio
    import pytest

    class Loops:
        async def test_renders(self, local_scope, scope_client):
            await local_scope.add_prompt("greeting", "Hello, {{name}}!")
            assert await scope_client.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"

        async def test_again(self, scope_client):
            await scope_client.ping()
"""

OTHER_LOOPS = """
    import asyncio
    from unittest import IsolatedAsyncioTestCase

    import pytest
    from scope_async import ScopeClient

    class Test(IsolatedAsyncioTestCase):
        @pytest.fixture(autouse=True)
        def _local(self, local_scope):
            self.local = local_scope

        async def asyncSetUp(self):
            await self.local.add_prompt("greeting", "Hello, {{name}}!")
            url = self.local.url
            self.scope = ScopeClient(self.local.credentials, base_url=url, auth_api_url=url)
            await self.scope.start()

        async def asyncTearDown(self):
            await self.scope.aclose()

        async def test_renders(self):
            assert await self.scope.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"
            assert (await self.local.journal.wait_for("prompt")).status == 200

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_anyio(local_scope, anyio_backend):
        assert (await local_scope.add_prompt("greeting", "x")).version_number == 1

    def test_own_loop(local_scope):
        async def use():
            return await local_scope.add_prompt("greeting", "x")
        assert asyncio.run(use()).version_number == 1
"""

SESSION = """
    import pytest

    @pytest.fixture(scope="session")
    def scope_session_prompts():
        return {"greeting": "Hello"}

    @pytest.fixture(scope="module")
    def url(local_scope_session):
        return local_scope_session.url

    @pytest.mark.parametrize("n", range(3))
    def test_reset(url, local_scope_session, n):
        local = local_scope_session
        assert local.url == url
        assert local.journal.count() == 0
        assert local.faults.active == ()
        (prompt,) = local.export_state()["prompts"]
        assert len(prompt["versions"]) == 1
        local.add_prompt("greeting", "changed")
        local.faults.status("any", 500)

    @pytest.mark.asyncio
    async def test_awaited(local_scope_session):
        assert (await local_scope_session.add_prompt("greeting", "x")).version_number == 2
"""

LOOPLESS_UNITTEST = """
    import pytest, unittest
    @pytest.mark.usefixtures("scope_client")
    class Test(unittest.IsolatedAsyncioTestCase):
        async def test_it(self): pass
"""

EVERY_LOOP_SCOPE = dedent(LOOP_SCOPES) + "".join(
    f"\n@pytest.mark.asyncio(loop_scope={scope!r})\nclass Test{scope.title()}(Loops):\n    pass\n"
    for scope in ("function", "class", "module", "package", "session")
)
