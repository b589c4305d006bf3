"""The commands of the pages on rotation and on secret managers, run against real ones."""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.cli import ServeProcess, Shell
from tests.fakes.secret_managers import ROOT_TOKEN

DOCS = Path(__file__).parents[3] / "docs"
TWO_HOURS = 7200


def commands(page: str, section: str) -> list[list[str]]:
    """Return the words of each command in the shell blocks of a section of docs/."""
    body = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n##")[0]
    blocks = re.findall(r"^```bash\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


@pytest.fixture
def local() -> Iterator[ServeProcess]:
    with ServeProcess() as process:
        yield process


def run(shell: Shell, words: list[str], *more: str) -> int:
    variables = dict(word.split("=", 1) for word in words[: words.index("scope-async")])
    result = shell(*words[words.index("scope-async") + 1 :], *more, **variables)
    assert "secret_" not in result.output
    return result.exit_code


def advance(local: ServeProcess, seconds: float) -> None:
    request = urllib.request.Request(
        f"{local.ready['url']}/local/clock",
        data=json.dumps({"advance": seconds}).encode(),
        headers={"Authorization": f"Bearer {local.ready['admin_token']}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_rotation_without_downtime_is_as_documented(local, openbao, monkeypatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", ROOT_TOKEN)
    shell = Shell(local.variables)
    create, rollover, audit, nightly = commands("keys.md", "Rotate keys without downtime")
    assert run(shell, create) == 0
    old = openbao.get("scope/billing-service-prod")["data"]["api_key"]
    rollover = [old if word == "key_01XYZ789" else word for word in rollover]
    assert run(shell, rollover, "--timeout", "0s") == 1
    advance(local, TWO_HOURS)
    assert run(shell, rollover) == 0
    new = openbao.get("scope/billing-service-prod")["data"]["api_key"]
    assert shell.json("keys", "show", old)["status"] == "revoked"
    assert shell.json("keys", "show", new)["replaces"] == old
    assert run(shell, audit) == 0
    assert run(shell, nightly) == 0


def test_secret_of_aws_is_as_documented(local, moto) -> None:
    session = pytest.importorskip("botocore.session").get_session()
    client = session.create_client("secretsmanager")
    client.create_secret(Name="prod/scope", SecretString="{}")
    client.close()
    for words in commands("credentials.md", "Kubernetes, Vault, AWS"):
        assert run(Shell(local.variables), words) == 0
