"""`keys rollover` against OpenBao: under load from other processes, and stopped at every step."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from typing import Self

import pytest

from scope_async import ApiKeyAdmin
from scope_async.cli.rollover.progress import Progress
from scope_async.cli.rollover.rollover import Rollover
from scope_async.cli.rollover.verification import Verification
from scope_async.cli.secret_storage import SecretStorage
from scope_async.local import LocalScope
from scope_async.secrets import VaultCredentials
from tests.fakes.cli import Shell, clean_environment
from tests.fakes.secret_managers import ROOT_TOKEN, OpenBao

READERS = 4
PATIENCE = 60
URL = "vault://secret/rollover"


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope(token_ttl=3) as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local


@pytest.fixture
def variables(local: LocalScope, openbao: OpenBao, monkeypatch) -> dict[str, str]:
    """What the readers and the command find in their environment; no secret of Scope."""
    variables = {
        "SCOPE_API_URL": local.url,
        "SCOPE_AUTH_API_URL": local.url,
        "SCOPE_CREDENTIALS": URL,
        "VAULT_ADDR": openbao.url,
        "VAULT_TOKEN": ROOT_TOKEN,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


async def stored() -> str:
    return (await VaultCredentials("secret/rollover")()).api_key


class Readers:
    """Processes that use the stored credentials all the time."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._environment = clean_environment(**variables)
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        command = (sys.executable, "-m", "tests.fakes.reader")
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
        for _ in range(READERS):
            self._processes.append(
                await asyncio.create_subprocess_exec(*command, env=self._environment, **pipes)
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def use(self, api_key: str) -> None:
        """Return once all of them use that key."""
        for process in self._processes:
            assert process.stdout is not None
            while json.loads(await process.stdout.readline())["api_key"] != api_key:
                pass

    async def finish(self) -> tuple[int, list[str]]:
        """Return how many calls they made, and what failed."""
        outputs = await asyncio.gather(*(process.communicate(b"") for process in self._processes))
        results = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
        failures = [failure for result in results for failure in result["failures"]]
        return sum(result["calls"] for result in results), failures


async def test_rollover_fails_no_call_and_revokes_after_the_last_use(local, variables, monkeypatch) -> None:
    monkeypatch.setattr("scope_async.cli.rollover.idle.MARGIN", 2.0)
    old = local.credentials
    await VaultCredentials("secret/rollover").store(old)
    told: list[Progress] = []
    async with (
        asyncio.timeout(PATIENCE),
        ApiKeyAdmin(local.url, local.admin_token) as admin,
        Verification(local.clock) as verification,
        Readers(variables) as readers,
    ):
        await readers.use(old.api_key)
        rollover = Rollover(
            admin,
            SecretStorage(URL),
            verification,
            idle=1,
            timeout=86_400,
            clock=local.clock,
            report=told.append,
        )
        running = asyncio.create_task(rollover.run(old.api_key))
        while await stored() == old.api_key:
            await asyncio.sleep(0.05)
        new = await stored()
        await readers.use(new)
        assert not running.done()
        last_used_at = (await admin.get(old.api_key)).last_used_at
        assert last_used_at is not None
        await running
        calls, failures = await readers.finish()
        revoked = await admin.get(old.api_key)
    assert failures == []
    assert calls > READERS * 100
    assert (revoked.status, revoked.last_used_at) == ("revoked", last_used_at)
    assert revoked.revoked_at is not None
    assert (revoked.revoked_at - last_used_at).total_seconds() >= 3 + 2
    assert [progress.event for progress in told if progress.event != "waiting"] == [
        "made",
        "stored",
        "risk",
        "revoked",
        "done",
    ]


async def run_command(
    local: LocalScope, variables: dict[str, str], *arguments: str, killed_at: str | None = None
) -> tuple[int, str]:
    """Return the exit code and the output of `keys rollover` in a process of its own."""
    module = ("scope_async.cli",) if killed_at is None else ("tests.fakes.killed_command", killed_at)
    command = (*module, "--verbose", *command_of(local, *arguments))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        env=clean_environment(**variables, SCOPE_ADMIN_TOKEN=local.admin_token),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    await assert_no_secret_in(output.decode(), local)
    return process.returncode or 0, output.decode()


async def run_command_here(local: LocalScope, variables: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Return the same of `keys rollover` in a thread of this process, which begins at once."""
    shell = Shell({**variables, "SCOPE_ADMIN_TOKEN": local.admin_token})
    result = await asyncio.to_thread(shell, *command_of(local, *arguments))
    await assert_no_secret_in(result.output, local)
    return result.exit_code, result.output


def command_of(local: LocalScope, *arguments: str) -> tuple[str, ...]:
    return ("keys", "rollover", local.credentials.api_key, "--into", URL, *arguments)


async def assert_no_secret_in(output: str, local: LocalScope) -> None:
    held = (await VaultCredentials("secret/rollover")()).api_secret
    for secret in (held, local.credentials.api_secret, local.admin_token, ROOT_TOKEN, "eyJ"):
        assert secret not in output


STEPS = [
    "rotate:before",
    "rotate:after",
    "write:before",
    "write:after",
    "verify:after",
    "revoke:before",
    "revoke:after",
]
LOSES_THE_SECRET = {"rotate:after", "write:before"}


@pytest.mark.parametrize(
    ("step", "late"),
    [(step, False) for step in STEPS]
    + [(step, True) for step in ("rotate:after", "write:before", "write:after")],
)
async def test_rollover_killed_at_any_step_goes_on_where_it_was(local, variables, step, late) -> None:
    old = local.credentials.api_key
    await VaultCredentials("secret/rollover").store(local.credentials)
    if step.startswith("revoke"):
        assert (await run_command(local, variables, killed_at="verify:after"))[0] == -signal.SIGKILL
        local.clock.advance(1000)
    assert (await run_command(local, variables, killed_at=step))[0] == -signal.SIGKILL
    if late:
        local.clock.advance(3600)
    code, output = await run_command_here(local, variables, "--timeout", "0s")
    if not late and not step.startswith("revoke"):
        assert (code, "run this again to go on waiting" in output) == (1, True), output
    local.clock.advance(1000)
    code, output = await run_command(local, variables)
    assert code == 0, output
    async with ApiKeyAdmin(local.url, local.admin_token) as admin:
        assert (await admin.get(old)).status == "revoked"
        successors = [key async for key in admin.list() if key.replaces == old]
    assert [key.api_key for key in successors if key.is_active] == [await stored()]
    assert len(successors) == (2 if late and step in LOSES_THE_SECRET else 1)
