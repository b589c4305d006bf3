from __future__ import annotations

import json
import os
import traceback

import anyio
import pytest

from scope_async.credentials import (
    ApiKeyCredentials,
    ChainCredentials,
    CredentialProvider,
    EnvCredentials,
    FileCredentials,
    StaticCredentials,
    parse_credentials,
)
from scope_async.errors import ConfigurationError, MissingApiKeyError

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")
VARIABLES = {"SCOPE_ORG_ID": "org_1", "SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "secret_1"}
LINES = "\n".join(f"{name}={value}" for name, value in VARIABLES.items())


def everything_shown(error: BaseException) -> str:
    """Return what a collector of tracebacks finds: locals, and contexts that `from None` hides.

    The outermost frame is left out: it is the test's own, which knows the secret.
    """
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    found = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    shown = "".join(found.format())
    hidden = [everything_shown(other) for other in (error.__cause__, error.__context__) if other is not None]
    return "\n".join((shown, *hidden))


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


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "\ufeff" + LINES,
        LINES.replace("\n", "\r\n"),
        "# comment\n\n" + LINES.replace("SCOPE_ORG_ID=", "export SCOPE_ORG_ID = "),
        LINES.replace("key_1", '"key_1"').replace("org_1", "'org_1'"),
        "org_id=org_1\napi_key=key_1\napi_secret=secret_1",
        json.dumps(VARIABLES),
        json.dumps({"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1", "note": "x"}),
    ],
)
def test_file_is_read_in_every_form(text) -> None:
    assert ApiKeyCredentials.from_env(parse_credentials(text)) == CREDENTIALS


def test_file_value_may_hold_an_equals_sign() -> None:
    text = LINES.replace("secret_1", "a=b#c'd")
    assert ApiKeyCredentials.from_env(parse_credentials(text)).api_secret == "a=b#c'd"


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
