"""The plugin as users run it: test files in a separate pytest process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ASYNCIO_AUTO = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
ASYNCIO_DEFAULT = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
ASYNCIO_STRICT = "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"

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


def run(folder: Path, ini: str, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(ini)
    (folder / "test_mine.py").write_text(dedent(tests))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    ("ini", "mark", "arguments"),
    [
        (ASYNCIO_AUTO, "", ()),
        (ASYNCIO_STRICT, "pytestmark = pytest.mark.asyncio", ()),
        (ASYNCIO_STRICT, "pytestmark = pytest.mark.anyio", ("-k", "not trio")),
        ("[pytest]\n", "pytestmark = pytest.mark.anyio", ("-p", "no:asyncio", "-k", "not trio")),
        (ASYNCIO_AUTO, "", ("-n", "2")),
    ],
    ids=["asyncio-auto", "asyncio-strict", "anyio-beside-asyncio", "anyio-alone", "xdist"],
)
def test_fixtures_work_under_every_plugin(
    tmp_path: Path, ini: str, mark: str, arguments: tuple[str, ...]
) -> None:
    outcome = run(tmp_path, ini, GREETING.format(mark=mark), *arguments)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "3 passed" in outcome.stdout


def test_strict_fails_the_test_on_an_unexpected_request(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        ASYNCIO_AUTO,
        """
        import pytest
        from scope_async import NotFoundError

        @pytest.mark.scope(strict=True)
        async def test_it(scope_client):
            with pytest.raises(NotFoundError):
                await scope_client.get_prompt_version("unprepared")
        """,
    )
    assert outcome.returncode == 1
    assert "unexpected requests to Local Scope: GET /api/v1/prompts/unprepared" in outcome.stdout


SYNCHRONOUS = """
    import json
    import sys
    import urllib.request
    from types import ModuleType

    import django
    import pytest
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from flask import Flask
    from scope_async import ScopeClient
    from scope_async.local import LocalScope

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


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_synchronous_tests_of_every_framework_use_local_scope(tmp_path: Path, arguments) -> None:
    # The frameworks warn of their own future, so only this package's warnings are errors.
    outcome = run(tmp_path, ASYNCIO_DEFAULT, SYNCHRONOUS, "-W", "default", *arguments)
    assert "5 passed" in outcome.stdout, outcome.stdout + outcome.stderr


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


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_client_belongs_to_the_loop_of_every_loop_scope(tmp_path: Path, arguments) -> None:
    tests = dedent(LOOP_SCOPES) + "".join(
        f"\n@pytest.mark.asyncio(loop_scope={scope!r})\nclass Test{scope.title()}(Loops):\n    pass\n"
        for scope in ("function", "class", "module", "package", "session")
    )
    outcome = run(tmp_path, ASYNCIO_DEFAULT, tests, *arguments)
    assert "10 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_client_belongs_to_the_loop_of_the_configured_default(tmp_path: Path) -> None:
    ini = ASYNCIO_AUTO + "asyncio_default_test_loop_scope = session\n"
    outcome = run(tmp_path, ini, GREETING.format(mark=""))
    assert "3 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_local_scope_serves_unittest_and_other_loops(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        ASYNCIO_DEFAULT,
        """
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
        """,
    )
    assert "3 passed" in outcome.stdout, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("arguments", [(), ("-n", "2", "--dist", "loadfile")], ids=["one process", "xdist"])
def test_session_scope_is_shared_and_reset_between_tests(tmp_path: Path, arguments) -> None:
    outcome = run(
        tmp_path,
        ASYNCIO_STRICT,
        """
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
        """,
        *arguments,
    )
    assert "4 passed" in outcome.stdout, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("ini", "tests", "said"),
    [
        (ASYNCIO_AUTO, "def test_it(scope_client): pass", "async def"),
        (ASYNCIO_DEFAULT, "async def test_it(scope_client): pass", "pytest.mark.asyncio"),
        (
            ASYNCIO_AUTO,
            """
            import pytest, unittest
            @pytest.mark.usefixtures("scope_client")
            class Test(unittest.IsolatedAsyncioTestCase):
                async def test_it(self): pass
            """,
            "asyncSetUp",
        ),
    ],
    ids=["synchronous", "unmarked", "unittest"],
)
def test_client_without_a_loop_fails_at_set_up_in_one_sentence(tmp_path: Path, ini, tests, said) -> None:
    outcome = run(tmp_path, ini, tests)
    assert outcome.returncode == 1
    assert "1 error" in outcome.stdout
    (line,) = (line for line in outcome.stdout.splitlines() if line.startswith("scope_client of"))
    assert said in line


def test_plugin_imports_nothing_unless_a_fixture_is_used(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        ASYNCIO_STRICT,
        """
        import sys

        def test_it():
            assert "scope_async.local" not in sys.modules
            assert "aiosqlite" not in sys.modules
            assert "aiohttp" not in sys.modules
        """,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
