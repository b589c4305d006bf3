"""Secrets, tokens and the admin token of Local Scope are never shown after their creation."""

from __future__ import annotations

import json
import logging

from scope_async.local import LocalScope
from tests.integration.local.raw_client import RawClient, credentials_of


async def test_secret_and_admin_token_are_in_no_repr_reply_export_log_or_file(tmp_path, session, caplog):
    caplog.set_level(logging.DEBUG)
    async with LocalScope(tmp_path / "scope.db") as local:
        raw_client = RawClient(local, session)
        key = await raw_client.new_key()
        rotated = (await raw_client.admin("POST", f"/api/v1/api-keys/{key['api_key']}/rotate")).json
        own = await local.create_key("own")
        await local.add_prompt("greeting", "x")
        token = await raw_client.token(credentials_of(key))
        await raw_client.prompt(token)
        await raw_client.exchange(client_secret=own.api_secret)
        await raw_client.exchange(client_id=own.api_secret)
        await raw_client.send("POST", "/v1/auth/sdk-token", data=own.api_secret.encode())
        await raw_client.send("GET", f"/nowhere/{own.api_secret}?x={own.api_secret}")
        await raw_client.prompt(token, f"{own.api_secret}/latest")
        await raw_client.admin("POST", f"/api/v1/api-keys/{own.api_secret}/revoke")
        shown = repr(local) + repr(local.credentials) + repr(local.journal.entries) + repr(local._first_key)
        shown += repr(local._store.keys.all()) + json.dumps(await local.export_state())
        shown += repr(local._signer.issue(local._store.keys.all()[0]))
        stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        private = [key["api_secret"], rotated["api_secret"], own.api_secret, local.credentials.api_secret]
        private.append(local.admin_token)
    stored += b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for word in private:
        assert word not in shown
        assert word not in caplog.text
        assert word.encode() not in stored
    assert token not in shown
    assert token.encode() not in stored


async def test_internal_error_is_logged_and_hidden_from_the_client(
    raw_client: RawClient, monkeypatch, caplog
):
    def fail(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(raw_client.local._store.prompts, "encoded_by_label", fail)
    answer = await raw_client.prompt(await raw_client.token())
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"inside" not in answer.body
    assert "the inside" in caplog.text
    assert answer.headers["X-Request-ID"] in caplog.text
