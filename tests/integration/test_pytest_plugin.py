"""The plugin as users run it: test files in a separate pytest process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ASYNCIO_AUTO = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
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


def test_synchronous_test_fails_with_advice(tmp_path: Path) -> None:
    outcome = run(tmp_path, ASYNCIO_AUTO, "def test_it(local_scope): pass")
    assert outcome.returncode == 1
    assert "async def" in outcome.stdout


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
