"""The requests of the official Ruby SDK 0.2.0, recorded on the wire, and what it reads from the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from yarl import URL

from scope_async.local import Fault, LocalScope

LOGIN = """\
POST /v1/auth/applications/login HTTP/1.1
User-Agent: Faraday v1.1.0
Content-Type: application/json
Accept: application/json
Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3
Host: {host}
Content-Length: {length}

{body}"""
LOGIN_BODY = '{{"account_id":"{org_id}","client_id":"{api_key}","client_secret":"{api_secret}"}}'
GET = """\
GET /api/v1/{path} HTTP/1.1
User-Agent: scope-client-ruby/0.2.0
Authorization: Bearer {token}
Content-Type: application/json
Accept: application/json
Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3
Host: {host}

"""


@attrs.frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


class RubyClient:
    """One kept connection, as Net::HTTP has it; it asks for compression and takes what it gets."""

    def __init__(self, local: LocalScope) -> None:
        self._local = local
        self._host = URL(local.url).authority

    async def login(self, **changed: str) -> Answer:
        ours = self._local.credentials
        credentials = {"org_id": ours.org_id, "api_key": ours.api_key, "api_secret": ours.api_secret}
        body = LOGIN_BODY.format(**credentials | changed)
        return (await self._send(LOGIN.format(host=self._host, length=len(body), body=body)))[0]

    async def get(self, *paths: str, token: str) -> list[Answer]:
        return await self._send(*(GET.format(path=path, token=token, host=self._host) for path in paths))

    async def _send(self, *requests: str) -> list[Answer]:
        url = URL(self._local.url)
        assert url.host is not None
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            return [await self._exchange(reader, writer, request) for request in requests]
        finally:
            writer.close()
            await writer.wait_closed()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str
    ) -> Answer:
        head, _, body = request.partition("\n\n")
        writer.write(f"{head}\n\n".replace("\n", "\r\n").encode() + body.encode())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        # It reads JSON of this type alone, without what follows a semicolon.
        assert headers["content-type"].partition(";")[0] == "application/json"
        assert "content-encoding" not in headers
        content = await reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, json.loads(content))


@pytest.fixture
async def local():
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}!", metadata={"team": "docs"}, tags=("a",))
        await local.add_prompt("greeting", "Hi, {{name}}!", publish=False)
        await local.add_prompt("draft", "x", publish=False)
        yield local


async def test_ruby_client_gets_versions_by_label_and_id(local: LocalScope):
    client = RubyClient(local)
    login = await client.login()
    assert login.status == 200
    assert login.body["expires_in"] == pytest.approx(3600, abs=1)
    token = login.body["access_token"]
    production, latest = await client.get(
        "prompts/greeting/production", "prompts/greeting/latest", token=token
    )
    path = f"prompts/greeting/versions/{latest.body['id']}"
    (by_id,) = await client.get(path, token=token)
    assert (production.status, latest.status, by_id.status) == (200, 200, 200)
    assert (production.body["content"], production.body["status"]) == ("Hello, {{name}}!", "published")
    assert (latest.body["content"], latest.body["status"]) == ("Hi, {{name}}!", "draft")
    assert by_id.body == latest.body
    # What its `PromptVersion` is made of.
    assert production.body["variables"] == ["name"]
    assert production.body["metadata"] == {"team": "docs"}
    assert production.body["prompt_type"] == "text"
    assert (production.body["name"], production.body["version_number"]) == ("greeting", 1)


async def test_ruby_client_reads_the_message_of_every_refusal(local: LocalScope):
    client = RubyClient(local)
    refused = await client.login(api_secret="secret_wrong")
    token = (await client.login()).body["access_token"]
    without, missing = await client.get("prompts/draft/production", "prompts/none/latest", token=token)
    (unauthorized,) = await client.get("prompts/greeting/production", token="expired")
    statuses = [answer.status for answer in (refused, without, missing, unauthorized)]
    assert statuses == [401, 404, 404, 401]
    for answer in (refused, without, missing, unauthorized):
        assert isinstance(answer.body["message"], str)
        assert answer.body["message"]


async def test_ruby_client_is_told_how_long_to_wait(local: LocalScope):
    client = RubyClient(local)
    token = (await client.login()).body["access_token"]
    local.faults.add(Fault.parse("prompt:status=429,retry_after=2,times=1"))
    limited, served = await client.get(*["prompts/greeting/production"] * 2, token=token)
    assert (limited.status, limited.headers["retry-after"], served.status) == (429, "2", 200)
