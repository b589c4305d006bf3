"""Secrets of Local Scope: how they are made, and that they are nowhere they should not be."""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections import Counter

import pytest

from scope_async.local import LocalScope
from scope_async.local import identifiers as secrets
from tests.integration.local.raw_client import Caller, credentials_of


def test_a_secret_is_one_word_with_a_checksum():
    made = {secrets.new_secret("secret") for _ in range(200)}
    assert len(made) == 200
    for secret in made:
        assert re.fullmatch(r"secret_[0-9A-Za-z]{49}", secret)
        assert secrets.is_intact(secret)
        assert secrets.base62(zlib.crc32(secret[:-6].encode()).to_bytes(4, "big")) == secret[-6:]


def test_one_wrong_letter_is_noticed():
    secret = secrets.new_secret("secret")
    for place in range(len(secret)):
        wrong = secret[:place] + ("x" if secret[place] != "x" else "y") + secret[place + 1 :]
        assert not secrets.is_intact(wrong)
    assert not any(map(secrets.is_intact, ("", "secret_", secret[:-1], secret + "x", "\ud800")))


def test_base_62_loses_nothing_and_has_one_width():
    assert secrets.base62(b"\x00" * 16) == "0" * 22
    assert secrets.base62(b"\xff" * 16) == "7n42DGM5Tflk9n8mt7Fhc7"
    assert len(secrets.base62(b"\xff" * 32)) == len(secrets.base62(b"\x00" * 32)) == 43
    letters = Counter("".join(secrets.new_identifier("key")[10:] for _ in range(500)))
    assert len(letters) == 62


async def test_no_secret_and_no_admin_token_is_anywhere(tmp_path, session, caplog):
    caplog.set_level(logging.DEBUG)
    async with LocalScope(tmp_path / "scope.db") as local:
        caller = Caller(local, session)
        key = await caller.new_key()
        rotated = (await caller.admin("POST", f"/api/v1/api-keys/{key['api_key']}/rotate")).json
        own = await local.create_key("own")
        await local.add_prompt("greeting", "x")
        token = await caller.token(credentials_of(key))
        await caller.prompt(token)
        await caller.exchange(client_secret=own.api_secret)
        await caller.exchange(client_id=own.api_secret)
        await caller.send("POST", "/v1/auth/sdk-token", data=own.api_secret.encode())
        await caller.send("GET", f"/nowhere/{own.api_secret}?x={own.api_secret}")
        await caller.prompt(token, f"{own.api_secret}/latest")
        await caller.admin("POST", f"/api/v1/api-keys/{own.api_secret}/revoke")
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


async def test_a_failure_inside_is_logged_and_tells_the_client_nothing(caller: Caller, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(caller.local._store.prompts, "body_by_label", fail)
    answer = await caller.prompt(await caller.token())
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"inside" not in answer.body
    assert "the inside" in caplog.text
    assert answer.headers["X-Request-ID"] in caplog.text


@pytest.mark.parametrize("length", [1, 22, 500])
def test_a_digest_is_sha_256(length):
    assert len(secrets.digest("x" * length)) == 32
