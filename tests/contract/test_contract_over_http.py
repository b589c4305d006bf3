"""The contract suite against a Scope elsewhere: here, one that this test serves."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from scope_async.local import LocalScope

ROOT = Path(__file__).parents[2]


async def test_contract_suite_runs_against_another_scope() -> None:
    async with LocalScope() as local:
        await local.add_prompt("welcome", "Welcome, {{name}}!")
        credentials = local.credentials
        variables = {
            "SCOPE_CONTRACT_URL": local.url,
            "SCOPE_CONTRACT_ORG_ID": credentials.org_id,
            "SCOPE_CONTRACT_API_KEY": credentials.api_key,
            "SCOPE_CONTRACT_API_SECRET": credentials.api_secret,
            "SCOPE_CONTRACT_PROMPT": "welcome",
            "SCOPE_CONTRACT_EDITOR_TOKEN": local.editor_token,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        suite = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "tests/contract",
                "-k",
                "yours",
            ),
            cwd=ROOT,
            env={**inherited, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await suite.communicate()
        assert suite.returncode == 0, output.decode()
        assert b"skipped" not in output
        assert local.journal.count("exchange") >= 10
