from __future__ import annotations

import asyncio
import operator
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any
from unittest.mock import AsyncMock

import anyio
import pytest

from scope_async import ScopeClient
from scope_async.credentials import (
    ApiKeyCredentials,
    ChainCredentials,
    CredentialProvider,
    EnvCredentials,
    FileCredentials,
    StaticCredentials,
    as_provider,
    keep_alive,
)
from scope_async.errors import ConfigurationError, MissingApiKeyError
from tests.fakes.tracebacks import everything_shown

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")
VARIABLES = {"SCOPE_ORG_ID": "org_1", "SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "secret_1"}
LINES = "\n".join(f"{name}={value}" for name, value in VARIABLES.items())


def test_repr_hides_the_secret() -> None:
    assert "secret_1" not in f"{CREDENTIALS} {CREDENTIALS!r} {StaticCredentials(CREDENTIALS)!r}"
    assert "key_1" in repr(CREDENTIALS)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("value", ["", "  ", None, 7])
def test_credentials_need_all_three_parts(position, value) -> None:
    parts: list[object] = ["org_1", "key_1", "secret_1"]
    parts[position] = value
    with pytest.raises(MissingApiKeyError, match=("org_id", "api_key", "api_secret")[position]) as caught:
        ApiKeyCredentials(*parts)
    assert "secret_1" not in str(caught.value)


@pytest.mark.parametrize("swapped", ["SCOPE_ORG_ID", "SCOPE_API_KEY"])
def test_credentials_refuse_a_secret_in_a_public_field_without_showing_it(swapped) -> None:
    values = VARIABLES | {swapped: "secret_1", "SCOPE_API_SECRET": "key_1"}
    with pytest.raises(ConfigurationError, match="holds an API secret") as caught:
        ApiKeyCredentials.from_env(values)
    assert "secret_1" not in str(caught.value)


def test_from_env_reads_the_variables() -> None:
    assert ApiKeyCredentials.from_env(VARIABLES) == CREDENTIALS


def test_from_env_reads_the_other_spellings() -> None:
    environ = {"SCOPE_ORG_ID": "org_1", "SCOPE_CLIENT_ID": "key_1", "SCOPE_CLIENT_SECRET": "secret_1"}
    assert ApiKeyCredentials.from_env(environ) == CREDENTIALS


def test_from_env_names_all_missing_variables() -> None:
    with pytest.raises(MissingApiKeyError) as caught:
        ApiKeyCredentials.from_env({})
    assert all(name in str(caught.value) for name in VARIABLES)


def test_from_env_does_not_show_two_secrets_that_differ() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ApiKeyCredentials.from_env(VARIABLES | {"SCOPE_CLIENT_SECRET": "secret_2"})
    assert "SCOPE_API_SECRET and SCOPE_CLIENT_SECRET" in str(caught.value)
    assert "secret_1" not in str(caught.value)
    assert "secret_2" not in str(caught.value)


async def test_env_credentials_are_read_anew_each_time(monkeypatch) -> None:
    provider = EnvCredentials()
    for secret in ("secret_1", "secret_2"):
        for name, value in (VARIABLES | {"SCOPE_API_SECRET": secret}).items():
            monkeypatch.setenv(name, value)
        assert (await provider()).api_secret == secret


async def test_file_credentials_are_read_anew_each_time(tmp_path) -> None:
    file = tmp_path / "credentials"
    provider = FileCredentials(file)
    for secret in ("secret_1", "secret_2"):
        file.write_text(LINES.replace("secret_1", secret))
        assert (await provider()).api_secret == secret


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"secret_1",
        b'{"api_secret": "secret_1"',
        b'{"api_secret": "secret_1"}',
        b'{"org_id": "o", "api_key": 7, "api_secret": "secret_1"}',
        b'{"a":' * 100_000 + b'"secret_1"',
        b"api_secret=secret_1\n\xff",
        LINES.encode() + b"\nSCOPE_CLIENT_SECRET=secret_2",
    ],
    ids=range(8),
)
async def test_file_that_cannot_be_used_is_named_without_its_secret(tmp_path, content) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="credentials") as caught:
        await FileCredentials(file)()
    assert str(file) in str(caught.value)
    # The decoders' errors carry the whole document: they must not be the cause either.
    assert "secret_" not in everything_shown(caught.value).replace(str(file), "")
    assert caught.value.__cause__ is None


async def test_error_has_no_local_that_holds_a_secret_of_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("SCOPE_API_SECRET", "secret_1")
    with pytest.raises(MissingApiKeyError) as caught:
        await EnvCredentials()()
    assert "secret_1" not in everything_shown(caught.value)


async def test_file_that_hangs_can_be_cancelled(tmp_path) -> None:
    pipe = tmp_path / "credentials"
    os.mkfifo(pipe)
    try:
        with pytest.raises(TimeoutError), anyio.fail_after(0.05):
            await FileCredentials(pipe)()
    finally:
        pipe.write_text(LINES)


@pytest.mark.parametrize("path", ["absent", "a\0b"])
async def test_file_that_cannot_be_read_is_named(tmp_path, path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        await FileCredentials(f"{tmp_path}/{path}")()


async def test_chain_asks_until_one_has_credentials(tmp_path) -> None:
    asked = []

    async def later() -> ApiKeyCredentials:
        asked.append("later")
        return ApiKeyCredentials("org_2", "key_2", "secret_2")

    chain = ChainCredentials(
        EnvCredentials(), FileCredentials(tmp_path / "absent"), StaticCredentials(CREDENTIALS), later
    )
    assert await chain() == CREDENTIALS
    assert not asked


async def test_chain_without_credentials_names_every_reason(tmp_path) -> None:
    async def nothing() -> ApiKeyCredentials:
        raise MissingApiKeyError("the vault is empty")

    with pytest.raises(MissingApiKeyError) as caught:
        await ChainCredentials(EnvCredentials(), FileCredentials(tmp_path / "absent"), nothing)()
    for part in (
        "EnvCredentials",
        "SCOPE_API_SECRET",
        "FileCredentials",
        "absent",
        "nothing: the vault is empty",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("wrong", [EnvCredentials, ("org_1", "key_1", "secret_1"), None])
def test_chain_refuses_what_is_no_provider(wrong) -> None:
    with pytest.raises(TypeError, match="credentials") as caught:
        ChainCredentials(EnvCredentials(), wrong)
    assert "secret_1" not in str(caught.value)


async def test_chain_that_is_empty_says_so() -> None:
    with pytest.raises(MissingApiKeyError, match="none was given"):
        await ChainCredentials()()


async def test_chain_goes_on_after_any_error_and_keeps_its_message_without_secrets() -> None:
    async def broken() -> ApiKeyCredentials:
        raise RuntimeError("no route to\nhttp://joe:hunter2@vault.example")

    assert await ChainCredentials(broken, StaticCredentials(CREDENTIALS))() == CREDENTIALS
    with pytest.raises(MissingApiKeyError, match="broken: RuntimeError: no route to http://") as caught:
        await ChainCredentials(broken)()
    assert "hunter2" not in everything_shown(caught.value)


def test_as_provider_accepts_functions_and_objects() -> None:
    async def function() -> ApiKeyCredentials:
        return CREDENTIALS

    provider: CredentialProvider = function
    for candidate in (
        provider,
        EnvCredentials(),
        FileCredentials("x"),
        ChainCredentials(),
        StaticCredentials(CREDENTIALS),
    ):
        assert isinstance(candidate, CredentialProvider)


async def function() -> ApiKeyCredentials:
    return CREDENTIALS


def plain() -> ApiKeyCredentials:
    return CREDENTIALS


def with_argument(place: str) -> ApiKeyCredentials:
    return CREDENTIALS


class Plain:
    def __call__(self) -> ApiKeyCredentials:
        return CREDENTIALS

    def method(self) -> ApiKeyCredentials:
        return CREDENTIALS

    async def load(self) -> ApiKeyCredentials:
        return CREDENTIALS

    @staticmethod
    def static() -> ApiKeyCredentials:
        return CREDENTIALS


class Async:
    async def __call__(self) -> ApiKeyCredentials:
        return CREDENTIALS


class InheritedAsync(Async):
    pass


async def with_place(place: str) -> ApiKeyCredentials:
    return CREDENTIALS


async def generator():
    yield CREDENTIALS


def annotated() -> Awaitable[ApiKeyCredentials]:
    return function()


def decorated(load):
    @wraps(load)
    def wrapper():
        return load()

    return wrapper


@pytest.mark.parametrize(
    "provider",
    [
        plain,
        lambda: CREDENTIALS,
        Plain(),
        Plain().method,
        Plain.static,
        partial(plain),
        partial(partial(with_argument, "x")),
        partial(Plain()),
        decorated(plain),
        generator,
    ],
)
@pytest.mark.parametrize("build", [as_provider, ChainCredentials])
def test_provider_that_is_a_plain_function_is_a_type_error_when_it_is_given(provider, build) -> None:
    with pytest.raises(TypeError, match="async def"):
        build(provider)


def test_client_is_not_built_with_a_plain_function() -> None:
    for provider in (plain, Plain(), partial(with_argument, "x")):
        with pytest.raises(TypeError, match="plain function"):
            ScopeClient(provider, base_url="http://localhost:1", auth_api_url="http://localhost:1")


@pytest.mark.parametrize(
    "provider",
    [
        function,
        Async(),
        InheritedAsync(),
        Plain().load,
        partial(function),
        partial(partial(with_place, "x")),
        partial(Async()),
        decorated(function),
        annotated,
        AsyncMock(return_value=CREDENTIALS),
    ],
)
async def test_provider_that_is_async_is_accepted(provider) -> None:
    assert await as_provider(provider)() == CREDENTIALS
    assert await ChainCredentials(provider)() == CREDENTIALS


async def test_provider_of_which_nothing_can_be_known_is_looked_at_when_it_is_called() -> None:
    unknown: Any = operator.attrgetter("credentials")  # written in C
    assert as_provider(unknown) is unknown
    built = operator.methodcaller("copy")
    with pytest.raises(MissingApiKeyError, match="methodcaller: TypeError"):
        await ChainCredentials(built)()
    with pytest.raises(ConfigurationError, match="must be async; calling it returned list"):
        await ChainCredentials([].copy, StaticCredentials(CREDENTIALS))()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        KeyError("vault"),
        OSError(5, "io"),
        TimeoutError(),
        ConnectionError("no answer"),
        TypeError("x"),
    ],
    ids=repr,
)
async def test_chain_goes_on_after_an_error_of_any_kind(error) -> None:
    async def broken() -> ApiKeyCredentials:
        raise error

    assert await ChainCredentials(broken, EnvCredentials(), StaticCredentials(CREDENTIALS))() == CREDENTIALS
    with pytest.raises(MissingApiKeyError, match=f"broken: {type(error).__name__}"):
        await ChainCredentials(broken)()


async def test_chain_that_is_cancelled_does_not_go_on() -> None:
    async def cancelled() -> ApiKeyCredentials:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ChainCredentials(cancelled, StaticCredentials(CREDENTIALS))()


async def test_file_credentials_read_a_folder(tmp_path) -> None:
    for name, value in {"org_id": "org_1", "api_key": "key_1\n", "api_secret": "secret_1\n"}.items():
        (tmp_path / name).write_text(value)
    assert await FileCredentials(tmp_path)() == CREDENTIALS
    (tmp_path / "api_key").unlink()
    with pytest.raises(MissingApiKeyError, match="api_key") as caught:
        await FileCredentials(tmp_path)()
    assert "secret_1" not in everything_shown(caught.value)


async def test_file_credentials_need_no_pool_of_the_application(tmp_path) -> None:
    file = tmp_path / "credentials"
    file.write_text(LINES)
    release = threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    with ThreadPoolExecutor(1) as full:
        asyncio.get_running_loop().set_default_executor(full)
        full.submit(release.wait, 20)
        async with anyio.create_task_group() as group:
            for _ in range(int(limiter.total_tokens)):
                group.start_soon(anyio.to_thread.run_sync, release.wait, 20)
            while limiter.available_tokens:
                await asyncio.sleep(0)
            assert await FileCredentials(file)() == CREDENTIALS
            release.set()


async def test_file_that_hangs_holds_one_thread_however_often_it_is_asked(tmp_path) -> None:
    pipe = tmp_path / "credentials"
    os.mkfifo(pipe)
    provider = FileCredentials(pipe)
    before = threading.active_count()
    try:
        for _ in range(5):
            with pytest.raises(TimeoutError), anyio.fail_after(0.02):
                await provider()
        assert threading.active_count() == before + 1
    finally:
        pipe.write_text(LINES)
    pipe.unlink()
    pipe.write_text(LINES.replace("secret_1", "secret_2"))
    while (await provider()).api_secret != "secret_2":
        await asyncio.sleep(0)


def test_process_ends_although_a_file_hangs(tmp_path) -> None:
    pipe = tmp_path / "credentials"
    os.mkfifo(pipe)
    program = f"""
import asyncio
from scope_async import FileCredentials, ScopeClient, ScopeError

async def main():
    url = "http://127.0.0.1:1"
    credentials = FileCredentials({str(pipe)!r})
    async with ScopeClient(credentials, base_url=url, auth_api_url=url, timeout=0.2) as scope:
        try:
            await scope.get_prompt_version("greeting")
        except ScopeError as error:
            print("failed")

asyncio.run(main())
print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["failed", "ended"]


async def test_env_credentials_read_files_in_a_thread_of_their_own(tmp_path, monkeypatch) -> None:
    file = tmp_path / "secret"
    for name, value in (VARIABLES | {"SCOPE_API_SECRET": ""}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCOPE_API_SECRET_FILE", str(file))
    with pytest.raises(ConfigurationError, match="SCOPE_API_SECRET_FILE"):
        await EnvCredentials()()
    for secret in ("secret_1", "secret_2"):
        file.write_text(f"{secret}\n")
        assert (await EnvCredentials()()).api_secret == secret


def test_file_and_environment_credentials_are_equal_by_what_they_name() -> None:
    assert FileCredentials("x") == FileCredentials("x") != FileCredentials("y")
    assert EnvCredentials() == EnvCredentials()
    assert repr(FileCredentials("x")) == "FileCredentials(path='x')"


class Manager:
    """A provider with both hooks; `keep_alive` runs until cancelled, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.forgotten: list[ApiKeyCredentials] = []
        self.alive = anyio.Event()

    async def __call__(self) -> ApiKeyCredentials:
        return CREDENTIALS

    def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
        self.forgotten.append(credentials)

    async def keep_alive(self) -> None:
        self.alive.set()
        if self.failure is not None:
            raise self.failure
        await anyio.sleep_forever()


async def test_chain_forwards_invalidate_and_keep_alive_to_all_that_have_them() -> None:
    managers = (Manager(RuntimeError("hunter2")), Manager())
    chain = ChainCredentials(EnvCredentials(), *managers)
    chain.invalidate(CREDENTIALS)
    assert [manager.forgotten for manager in managers] == [[CREDENTIALS], [CREDENTIALS]]
    async with anyio.create_task_group() as group:
        group.start_soon(chain.keep_alive)
        for manager in managers:
            await manager.alive.wait()
        group.cancel_scope.cancel()
    await ChainCredentials(EnvCredentials()).keep_alive()


async def test_keep_alive_that_fails_is_one_warning_without_the_error_text(caplog) -> None:
    await keep_alive(Manager(RuntimeError("hunter2")))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_file_credentials_store_what_is_read_next(tmp_path) -> None:
    path = tmp_path / "credentials"
    provider = FileCredentials(path)
    with pytest.raises(MissingApiKeyError, match="No such file"):
        await provider()
    await provider.store(CREDENTIALS)
    assert await provider() == CREDENTIALS


async def test_file_credentials_of_a_folder_cannot_be_stored(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="it is a folder"):
        await FileCredentials(tmp_path).store(CREDENTIALS)
