"""No error of a provider holds a secret, in no local variable of no frame either."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp import web

from scope_async import ApiKeyCredentials
from scope_async.errors import ScopeError
from scope_async.secrets import AppRole, AwsSecretsManagerCredentials, KubernetesAuth, VaultCredentials
from tests.fakes.secret_managers import free_port
from tests.fakes.tracebacks import everything_shown

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "hunter2")
VALUES = {"org_id": "org_1", "api_key": "key_1", "api_secret": "hunter2"}
TOKEN = "s.hunter2-token"


async def everything_of(call) -> str:
    with pytest.raises(ScopeError) as caught:
        await call
    return everything_shown(caught.value)


ANSWERS = {
    "echoes the token": lambda asked: web.json_response({"errors": [f"{asked.token} is bad"]}, status=403),
    "not found": lambda _: web.json_response({"errors": []}, status=404),
    "fails": lambda asked: web.json_response({"errors": ["down"]}, status=501),
    "redirects": lambda _: web.Response(status=307, headers={"Location": f"https://x.example/?{TOKEN}"}),
    "no JSON": lambda _: web.Response(status=403, text="<html>hunter2"),
    "one value is missing": lambda _: web.json_response(
        {"data": {"data": {**VALUES, "api_key": ""}, "metadata": {"version": 1}}}
    ),
    "one value is in the wrong place": lambda _: web.json_response(
        {"data": {"data": {**VALUES, "api_key": "secret_hunter2"}, "metadata": {"version": 1}}}
    ),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_vault_errors_hold_no_secret(vault_stub, caplog, answer) -> None:
    caplog.set_level(logging.DEBUG)
    vault_stub.answers["secret/data/scope"] = answer
    provider = VaultCredentials("secret/scope", address=vault_stub.url, auth=TOKEN)
    assert "hunter2" not in await everything_of(provider())
    assert "hunter2" not in caplog.text + repr(provider)


async def test_vault_that_is_not_there_shows_no_secret() -> None:
    provider = VaultCredentials(
        "secret/scope", address=f"http://127.0.0.1:{free_port()}", auth=TOKEN, timeout=0.5
    )
    assert "hunter2" not in await everything_of(provider())
    assert "hunter2" not in await everything_of(provider.store(CREDENTIALS))


async def test_vault_login_shows_no_secret(vault_stub, tmp_path) -> None:
    refuse = lambda asked: web.json_response({"errors": [f"bad: {asked.body}"]}, status=400)  # noqa: E731
    vault_stub.answers["auth/approle/login"] = vault_stub.answers["auth/kubernetes/login"] = refuse
    account = tmp_path / "token"
    account.write_text("hunter2-jwt")
    for auth in (AppRole("role", "hunter2-id"), KubernetesAuth("role", token_path=account)):
        provider = VaultCredentials("secret/scope", address=vault_stub.url, auth=auth)
        assert "hunter2" not in await everything_of(provider())


async def test_vault_write_shows_no_secret(vault_stub) -> None:
    def answer(asked):
        if asked.method == "GET":
            return web.json_response({"data": {"data": VALUES, "metadata": {"version": 1}}})
        return web.json_response({"errors": [f"permission denied: {asked.token}"]}, status=403)

    vault_stub.answers["secret/data/scope"] = answer
    provider = VaultCredentials("secret/scope", address=vault_stub.url, auth=TOKEN)
    assert "hunter2" not in await everything_of(provider.store(CREDENTIALS))


@pytest.mark.parametrize("text", ["{hunter2", '["hunter2"]', json.dumps({**VALUES, "api_key": 1})])
async def test_aws_errors_hold_no_secret(moto, monkeypatch, text) -> None:
    provider = AwsSecretsManagerCredentials("scope")
    reply = {"VersionId": "1", "SecretString": text, "VersionIdsToStages": {"1": ["AWSCURRENT"]}}
    client = type(
        "Client", (), dict.fromkeys(("get_secret_value", "describe_secret"), lambda *_, **__: reply)
    )
    monkeypatch.setattr(provider._api, "_open", client)
    assert "hunter2" not in await everything_of(provider())


async def test_aws_write_shows_no_secret(moto, monkeypatch) -> None:
    def fail(*_: object, **sent: object) -> object:
        raise RuntimeError(sent)

    provider = AwsSecretsManagerCredentials("scope")
    reply = {
        "VersionId": "1",
        "SecretString": json.dumps(VALUES),
        "VersionIdsToStages": {"1": ["AWSCURRENT"]},
    }
    methods = dict.fromkeys(("get_secret_value", "describe_secret"), lambda *_, **__: reply)
    monkeypatch.setattr(provider._api, "_open", type("Client", (), {**methods, "put_secret_value": fail}))
    assert "hunter2" not in await everything_of(provider.store(CREDENTIALS))
