"""The description of Local Scope's HTTP API, held against its routes and its answers."""

from __future__ import annotations

import re

import pytest

from scope_async._version import __version__
from scope_async.local import LocalScope
from tests.integration.local.exploration import FAULTS_ONLY, WITHOUT_FAULTS, explore
from tests.integration.local.raw_client import RawClient


async def test_description_is_openapi_and_has_every_route(raw_client: RawClient):
    from openapi_spec_validator import validate  # takes two seconds, in each process that collects tests

    answer = await raw_client.send("GET", "/openapi.json")
    document = answer.json
    validate(document)
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == __version__
    runner = raw_client.local._listener._runner
    assert runner is not None
    routes = {
        (route.method.lower(), path)
        for route in runner.app.router.routes()
        if route.method != "*"
        if not (path := getattr(route.resource, "canonical", "")).startswith("/settings") and path != "/"
    }
    described = {
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == routes


async def test_page_has_every_operation_and_loads_nothing(raw_client: RawClient):
    page = await raw_client.send("GET", "/docs")
    text = page.body.decode()
    document = (await raw_client.send("GET", "/openapi.json")).json
    for path in document["paths"]:
        assert path in text
    assert not re.search(r"<script|src=|<link|@import|url\(|https?://", text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


@pytest.mark.timeout(300)  # a thousand requests, on a machine that may be busy
def test_every_answer_is_described_and_none_is_a_server_error(tmp_path):
    with LocalScope(prompts={"greeting": "Hello, {{name}}!"}) as local:
        assert explore(tmp_path, local.url, local.admin_token, *WITHOUT_FAULTS, "--max-examples", "4")
        assert explore(tmp_path, local.url, local.admin_token, *FAULTS_ONLY, "--max-examples", "20")
        statuses = {entry.status for entry in local.journal.entries}
    assert {200, 201, 400, 404} <= statuses
    assert not [status for status in statuses if status is not None and status >= 500]
