"""One snapshot file and many processes."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path

from scope_async import ScopeClient
from scope_async.local import LocalScope

WRITER = Path(__file__).with_name("snapshot_writer.py")
WRITERS, ROUNDS = 4, 50


def test_processes_that_share_a_snapshot_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state" / "prompts.json"
    processes = [
        subprocess.Popen([sys.executable, str(WRITER), str(path), f"w{number}", str(ROUNDS)])
        for number in range(WRITERS)
    ]
    assert [process.wait(120) for process in processes] == [0] * WRITERS
    prompts = json.loads(path.read_text())["prompts"]
    expected = {f"w{number}-{round_}" for number in range(WRITERS) for round_ in range(ROUNDS)}
    assert {entry["name"] for entry in prompts} == expected | {"shared"}
    assert [entry["document"] for entry in prompts if entry["name"] == "shared"] == [{"round": ROUNDS - 1}]
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_clients_that_share_a_snapshot_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    names = [f"p{index}" for index in range(20)]
    async with LocalScope() as local:
        for name in names:
            await local.add_prompt(name, f"{name} says hello")
        options = {"base_url": local.url, "auth_api_url": local.url, "snapshot_path": path}

        async def use(names: list[str]) -> None:
            async with ScopeClient(local.credentials, **options) as scope:
                await scope.prefetch(names)

        await asyncio.gather(*(use(names[start::4]) for start in range(4)))
        local.faults.status("exchange", 503, times=None)
        async with ScopeClient(local.credentials, max_retries=0, **options) as scope:
            for name in names:
                version = await scope.get_prompt_version(name)
                assert (version.content, version.is_stale) == (f"{name} says hello", True)


async def test_other_organization_is_not_served(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    async with LocalScope() as ours, LocalScope() as theirs:
        await ours.add_prompt("greeting", "ours")
        async with ScopeClient(
            ours.credentials, base_url=ours.url, auth_api_url=ours.url, snapshot_path=path
        ) as scope:
            await scope.get_prompt_version("greeting")
        theirs.faults.status("prompt", 503, times=None)
        async with ScopeClient(
            theirs.credentials,
            base_url=theirs.url,
            auth_api_url=theirs.url,
            snapshot_path=path,
            max_retries=0,
        ) as scope:
            version = await scope.get_prompt_version("greeting", fallback="mine")
            assert version.is_fallback
