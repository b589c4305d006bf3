"""What a page in the developer's browser can send to Local Scope."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from scope_async.local import LocalScope
from scope_async.local.api.login_throttle import PER_ADDRESS
from tests.integration.local.raw_client import LOGIN, RawClient

GUARDED = [
    ("GET", "/api/v1/prompts/greeting/production"),
    ("POST", LOGIN[0]),
    ("POST", "/api/v1/api-keys"),
    ("POST", "/local/reset"),
    ("GET", "/openapi.json"),
    ("OPTIONS", "/local/state"),
    ("GET", "/unknown"),
]
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_page_of_another_site_is_refused(raw_client: RawClient, method, path):
    for headers in FOREIGN:
        answer = await raw_client.admin(method, path, headers=headers)
        assert (answer.status, answer.code) == (403, "cross_site_request"), headers
        assert raw_client.local.journal.entries[-1].code == "cross_site_request"
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil", "x:y", ""):
        answer = await raw_client.admin(method, path, headers={"Host": host})
        assert (answer.status, answer.code) == (421, "misdirected_request"), host


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_page_of_this_server_is_served(raw_client: RawClient, site):
    local = raw_client.local
    for host in (urlsplit(local.url).netloc, "localhost:1234", "LOCALHOST", "[::1]:80", "127.0.0.2"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": site}
        assert (await raw_client.admin("GET", "/local/clock", headers=headers)).status == 200, host


async def test_foreign_page_uses_up_neither_faults_nor_attempts(raw_client: RawClient):
    fault = raw_client.local.faults.status("exchange", 503, times=1)
    form = {"Content-Type": "text/plain"}
    for _ in range(PER_ADDRESS + 1):
        refused = await raw_client.send("POST", LOGIN[0], data=b"{}", headers=form)
        assert (refused.status, refused.code) == (415, "unsupported_media_type")
    assert fault.hits == 0
    fault.remove()
    assert (await raw_client.exchange()).status == 200


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data", "text/json"]
)
async def test_body_of_another_media_type_is_refused(raw_client: RawClient, content_type):
    headers = {"Content-Type": content_type}
    answer = await raw_client.admin("POST", "/local/clock", data=b'{"advance": 1}', headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_body_may_name_its_charset(raw_client: RawClient):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await raw_client.admin("POST", "/local/clock", data=b'{"advance": 1}', headers=headers)
    assert answer.status == 200


async def test_server_answers_under_the_host_it_was_given(session):
    async with LocalScope(host="localhost") as local:
        assert (await RawClient(local, session).exchange()).status == 200
