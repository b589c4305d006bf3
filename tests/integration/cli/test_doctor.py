"""`doctor` in broken set-ups: what is wrong, who has to act, what to do, and the exit code."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
import trustme

from scope_async.cli import checkup
from scope_async.local import LocalScope, ThreadedLocalScope
from scope_async.local.server_thread import ServerThread
from tests.fakes.cli import Shell

ORGANIZATION, KEY, SECRET = "SCOPE_ORG_ID", "SCOPE_API_KEY", "SCOPE_API_SECRET"
API, AUTH, WHERE = "SCOPE_API_URL", "SCOPE_AUTH_API_URL", "SCOPE_CREDENTIALS"
NOWHERE = "http://127.0.0.1:1"
NO_VARIABLES = dict.fromkeys((ORGANIZATION, KEY, SECRET))


@attrs.frozen
class Scene:
    """What the values of a row may name: two Scopes, a server without HTTP, one with TLS, and files."""

    url: str
    other: str
    port: int
    silent: int
    tls: int
    folder: str


@pytest.fixture(scope="module")
def local() -> Iterator[ThreadedLocalScope]:
    with LocalScope() as local:
        yield local


@pytest.fixture(scope="module")
def scene(local: ThreadedLocalScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("credentials")
    known = local.credentials
    (folder / "incomplete").write_text(f"SCOPE_ORG_ID={known.org_id}\nSCOPE_API_KEY={known.api_key}\n")
    (folder / "outdated").write_text(
        f"SCOPE_ORG_ID={known.org_id}\nSCOPE_API_KEY={known.api_key}\nSCOPE_API_SECRET=secret_of_last_year\n"
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            await reader.read()
        writer.close()

    async def listen() -> list[asyncio.Server]:
        return [await asyncio.start_server(keep_silent, "127.0.0.1", 0, ssl=each) for each in (None, context)]

    thread = ServerThread("servers without an answer")
    servers = thread.wait_for(listen)
    silent, tls = (each.sockets[0].getsockname()[1] for each in servers)
    with LocalScope() as other:
        yield Scene(local.url, other.url, _port(local.url), silent, tls, folder.as_uri())

    async def close() -> None:
        for server in servers:
            server.close()

    thread.wait_for(close)
    thread.close()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


@attrs.frozen
class Setup:
    """One broken set-up: its variables, its fault, and what `doctor` says of it."""

    name: str
    variables: dict[str, str | None]
    code: int
    check: str
    responsible: str
    words: str
    break_it: Callable[[ThreadedLocalScope], object] | None = None


def fault(kind: str, *arguments: object, **limits: object) -> Callable[[ThreadedLocalScope], object]:
    return lambda local: getattr(local.faults, kind)(*arguments, **limits)


SETUPS = [
    Setup(
        "nothing is set", {**NO_VARIABLES, API: None, AUTH: None}, 2, "variables", "configuration", "export"
    ),
    Setup("secret is missing", {SECRET: None}, 2, "variables", "configuration", SECRET),
    Setup(
        "two spellings differ",
        {"SCOPE_CLIENT_ID": "key_2"},
        2,
        "variables",
        "configuration",
        "SCOPE_CLIENT_ID",
    ),
    Setup("URL without a scheme", {API: "scope.example"}, 2, "variables", "configuration", "base_url"),
    Setup(
        "plain HTTP to elsewhere",
        {API: "http://scope.example"},
        2,
        "variables",
        "configuration",
        "allow_insecure",
    ),
    Setup(
        "buffer is no number",
        {"SCOPE_TOKEN_REFRESH_BUFFER": "soon"},
        2,
        "variables",
        "configuration",
        "correct",
    ),
    Setup("auth API is not running", {AUTH: NOWHERE}, 1, "auth API", "network", "does the service run"),
    Setup(
        "Scope API is not running",
        {API: NOWHERE},
        1,
        "Scope API",
        "network",
        "SCOPE_API_URL = http://127.0.0.1:1",
    ),
    Setup(
        "name does not resolve",
        {API: "https://scope.invalid"},
        1,
        "Scope API",
        "network",
        "does its name resolve",
    ),
    Setup(
        "no TLS on that port",
        {API: "https://127.0.0.1:{port}"},
        1,
        "Scope API",
        "configuration",
        "speak https",
    ),
    Setup(
        "certificate is unknown",
        {API: "https://127.0.0.1:{tls}"},
        1,
        "Scope API",
        "configuration",
        "certificate",
    ),
    Setup(
        "auth API is silent",
        {AUTH: "http://127.0.0.1:{silent}"},
        1,
        "auth API",
        "network",
        "nothing answers in time",
    ),
    Setup(
        "proxy is down",
        {API: "https://scope.example", "HTTPS_PROXY": "http://me:hunter2@127.0.0.1:1"},
        1,
        "Scope API",
        "network",
        "the proxy 127.0.0.1:1: does it run",
    ),
    Setup(
        "proxy is a SOCKS proxy",
        {API: "https://scope.example", "HTTPS_PROXY": "socks5://127.0.0.1:1"},
        2,
        "Scope API",
        "configuration",
        "NO_PROXY",
    ),
    Setup(
        "wrong path of the Scope API",
        {API: "{url}/elsewhere"},
        1,
        "token",
        "configuration",
        "the path in SCOPE_API_URL",
    ),
    Setup(
        "wrong path of the auth API",
        {AUTH: "{url}/elsewhere"},
        1,
        "exchange",
        "configuration",
        "SCOPE_AUTH_API_URL = {url}/elsewhere",
    ),
    Setup("URLs of two Scopes", {API: "{other}"}, 1, "token", "configuration", "belong to the same Scope"),
    Setup("secret is wrong", {SECRET: "secret_wrong"}, 1, "exchange", "credentials", "make a new key"),
    Setup("key does not exist", {KEY: "key_gone"}, 1, "exchange", "credentials", "make a new key"),
    Setup(
        "organization is another one", {ORGANIZATION: "org_2"}, 1, "exchange", "credentials", "organization"
    ),
    Setup(
        "too many exchanges",
        {},
        1,
        "exchange",
        "service",
        "wait 20 s",
        fault("status", "exchange", 429, retry_after=20),
    ),
    Setup(
        "auth API is out of order",
        {},
        1,
        "exchange",
        "service",
        "nothing is wrong here",
        fault("status", "exchange", 503),
    ),
    Setup(
        "auth API hangs",
        {},
        1,
        "exchange",
        "service",
        "the auth API accepts connections and",
        fault("hang", "exchange"),
    ),
    Setup(
        "auth API is a page",
        {},
        1,
        "exchange",
        "configuration",
        "name the auth API",
        fault("malformed", "exchange"),
    ),
    Setup(
        "prompts hang",
        {},
        1,
        "token",
        "service",
        "the Scope API accepts connections and",
        fault("hang", "prompt"),
    ),
    Setup("prompts are out of order", {}, 1, "token", "service", "try later", fault("status", "prompt", 503)),
    Setup(
        "too many requests", {}, 1, "token", "service", "too many requests", fault("status", "prompt", 429)
    ),
    Setup(
        "key may not read",
        {},
        1,
        "token",
        "credentials",
        "ask an administrator",
        fault("status", "prompt", 403),
    ),
    Setup(
        "credentials file is missing",
        {**NO_VARIABLES, WHERE: "{folder}/none"},
        2,
        "credentials",
        "configuration",
        "SCOPE_CREDENTIALS = {folder}/none",
    ),
    Setup(
        "credentials file has no secret",
        {**NO_VARIABLES, WHERE: "{folder}/incomplete"},
        2,
        "credentials",
        "configuration",
        "all three values",
    ),
    Setup(
        "credentials file is outdated",
        {**NO_VARIABLES, WHERE: "{folder}/outdated"},
        1,
        "exchange",
        "credentials",
        "make a new key",
    ),
    Setup(
        "Vault is not running",
        {**NO_VARIABLES, WHERE: "vault://secret/scope", "VAULT_ADDR": NOWHERE, "VAULT_TOKEN": "t"},
        1,
        "credentials",
        "network",
        "does it run",
    ),
    Setup(
        "no token for Vault",
        {
            **NO_VARIABLES,
            WHERE: "vault://secret/scope",
            "VAULT_ADDR": NOWHERE,
            "VAULT_TOKEN": None,
            "HOME": "{folder}",
        },
        2,
        "credentials",
        "configuration",
        "right place",
    ),
]


@pytest.fixture
def shell(local: ThreadedLocalScope, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setattr(checkup, "_MAX_WAIT", 0.4)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    known = local.credentials
    yield Shell(
        {
            API: local.url,
            AUTH: local.url,
            ORGANIZATION: known.org_id,
            KEY: known.api_key,
            SECRET: known.api_secret,
        }
    )
    local.faults.clear()


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_doctor_says_what_is_wrong_and_who_has_to_act(
    setup: Setup, shell: Shell, scene: Scene, local: ThreadedLocalScope
) -> None:
    values = attrs.asdict(scene)
    variables = {name: value and value.format_map(values) for name, value in setup.variables.items()}
    if setup.break_it is not None:
        setup.break_it(local)
    result = shell("doctor", **variables)
    failed = [line for line in result.stdout.splitlines() if line.startswith("✗")]
    assert result.exit_code == setup.code, result.stdout
    assert [line.split("  ")[0] for line in failed] == [f"✗ {setup.check}"], result.stdout
    advice = result.stdout.partition(failed[0])[2].strip().splitlines()[0]
    assert advice.startswith(f"→ {setup.responsible}: "), result.stdout
    assert setup.words.format_map(values) in f"{failed[0]} {advice}"
    for hidden in (variables.get(SECRET), local.credentials.api_secret, "hunter2", "secret_of_last_year"):
        assert not hidden or hidden not in result.output


def test_doctor_waits_for_no_pipe(shell: Shell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = shell("doctor", **{WHERE: (tmp_path / "pipe").as_uri()})
    assert result.exit_code == 1
    assert "none within 0.4 s" in result.stdout
    assert "a pipe that no one writes to" in result.stdout


@pytest.mark.parametrize(
    "url",
    [
        "vault://me:hunter2@secret/scope",
        "vault://secret/scope?token=hunter2",
        '{"api_secret": "hunter2"}',
        "file://me:hunter2@host/etc/scope",
    ],
)
def test_doctor_shows_no_password_of_a_credentials_url(shell: Shell, url: str) -> None:
    for arguments in (("doctor",), ("doctor", "--json")):
        result = shell(*arguments, **NO_VARIABLES, **{WHERE: url})
        assert result.exit_code == 2
        assert "hunter2" not in result.output


@pytest.mark.parametrize("variable", [API, AUTH])
def test_doctor_shows_no_password_of_an_address(shell: Shell, variable: str) -> None:
    result = shell("doctor", **{variable: "https://me:hunter2@127.0.0.1:1"})
    assert result.exit_code in (1, 2)
    assert "hunter2" not in result.output


def test_doctor_finds_nothing_wrong_with_what_works(shell: Shell) -> None:
    checks = shell.json("doctor")["checks"]
    assert {check["outcome"] for check in checks} == {"ok"}
    assert {check["responsible"] for check in checks} == {None}


def test_doctor_needs_no_prompt_and_leaves_no_file(shell: Shell, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell("doctor").exit_code == 0
    assert not list(tmp_path.iterdir())
