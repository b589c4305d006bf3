"""A 403 or 404 that is no JSON object comes from a gateway: it says nothing about the prompt."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from scope_async import (
    ApiKeyCredentials,
    AuthorizationError,
    NoProductionVersionError,
    NotFoundError,
    ScopeClient,
    ScopeError,
)
from scope_async.cli.checkup import Checkup
from tests.fakes.raw_server import RawConnection, raw_server, response

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")
VERSION = {"version_id": "v1", "version": 1, "name": "greeting", "content": "Hello", "status": "published"}
GATEWAY = {
    "page": (
        b"<html><title>Blocked</title><script>x</script>by the firewall</html>",
        "Blocked by the firewall",
    ),
    "text": (b"no route\r\n\x1b[31mhere", "no route here"),
    "nothing": (b"", ""),
    "list": (b'["not", "found"]', "not"),
    "string": (b'"not found"', "not found"),
    "null": (b"null", "null"),
    "half": (b'{"message": "cut', "cut"),
    "binary": (b"\xff\xfe\x00", ""),
}
KINDS = {403: AuthorizationError, 404: NotFoundError}


class Scope:
    """A Scope behind a gateway, which answers `blocked` in its place, if it is set, `times` times."""

    def __init__(self) -> None:
        self.blocked: bytes | None = None
        self.times = 1000
        self.requests = 0

    async def handle(self, connection: RawConnection) -> None:
        while request := await connection.request():
            if b"/auth/" in request:
                await connection.send(response({"access_token": "token-1", "expires_in": 600}))
                continue
            self.requests += 1
            blocked = self.blocked is not None and self.requests <= self.times
            await connection.send(self.blocked if blocked else response(VERSION))


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[tuple[ScopeClient, Scope]]:
    service = Scope()
    async with raw_server(service.handle) as server:
        options = {"base_url": server.url, "auth_api_url": server.url, "retry_base_delay": 0, **options}
        async with ScopeClient(CREDENTIALS, **options) as scope:
            yield scope, service


@pytest.mark.parametrize("status", KINDS)
@pytest.mark.parametrize(("body", "text"), GATEWAY.values(), ids=list(GATEWAY))
async def test_gateway_keeps_its_class_shows_its_text_and_is_asked_again(status, body, text) -> None:
    async with client() as (scope, service):
        service.blocked = response(body, status, X_Request_ID="r-1")
        with pytest.raises(KINDS[status]) as caught:
            await scope.get_prompt_version("greeting")
        assert service.requests == 4
        assert not isinstance(caught.value, NoProductionVersionError)
        assert (caught.value.http_status, caught.value.request_id) == (status, "r-1")
        assert "gateway" in caught.value.message
        assert text in re.sub(r"\s+", " ", caught.value.message.replace(" [31m", ""))
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("status", KINDS)
async def test_gateway_that_lets_through_again_is_no_failure(status) -> None:
    async with client() as (scope, service):
        service.blocked = response(b"<html>", status)
        service.times = 1
        assert (await scope.get_prompt_version("greeting")).content == "Hello"
        assert service.requests == 2


@pytest.mark.parametrize("status", KINDS)
async def test_copies_and_fallback_stand_in_for_a_gateway(status) -> None:
    async with client(cache_ttl=0.01, stale_while_revalidate=0, max_retries=0) as (scope, service):
        await scope.get_prompt_version("greeting")
        service.blocked = response(b"<html>", status)
        for _ in range(3):
            assert (await scope.get_prompt_version("greeting", cache_ttl=None)).content == "Hello"
        with pytest.raises(KINDS[status]):
            await scope.get_prompt_version("another")
        assert (await scope.get_prompt_version("third", fallback="Hi")).is_fallback


@pytest.mark.parametrize(("status", "kind"), [(403, AuthorizationError), (404, NoProductionVersionError)])
async def test_json_object_is_the_services_own_answer(status, kind) -> None:
    async with client() as (scope, service):
        service.blocked = response({"code": "no", "message": "no such prompt"}, status)
        with pytest.raises(kind, match="no such prompt"):
            await scope.get_prompt_version("greeting", fallback=None)
        assert service.requests == 1


@pytest.mark.parametrize("body", [{}, {"detail": "Not Found"}])
async def test_json_404_of_another_server_leaves_the_client_not_ready_until_scope_answers(body) -> None:
    async with client(cache_ttl=0, stale_if_error=0) as (scope, service):
        service.blocked = response(body, 404)
        with pytest.raises(NoProductionVersionError, match="other server, and not the service") as caught:
            await scope.get_prompt_version("greeting")
        assert (caught.value.error_code, service.requests) == ("foreign_reply", 1)
        assert not scope.status().ready
        (problem,) = scope.status().problems
        assert "is its path right?" in problem
        service.blocked = None
        await scope.get_prompt_version("greeting")
        assert scope.status().ready
        service.blocked = response(body, 404)
        with pytest.raises(NoProductionVersionError):
            await scope.get_prompt_version("greeting")
        assert (scope.status().ready, scope.status().problems) == (True, ())


async def test_404_of_scope_leaves_the_client_ready() -> None:
    async with client() as (scope, service):
        service.blocked = response({"error": "no such prompt"}, 404)
        with pytest.raises(NoProductionVersionError):
            await scope.get_prompt_version("greeting")
        assert (scope.status().ready, scope.status().problems) == (True, ())


@pytest.mark.parametrize("status", KINDS)
async def test_many_prompts_that_a_gateway_hides_are_not_called_missing(status) -> None:
    async with client(max_retries=0) as (scope, service):
        service.blocked = response(b"<html>", status)
        with pytest.raises(ScopeError, match="gateway"):
            await scope.prefetch(["one", "two"])


@pytest.mark.parametrize(
    "reply",
    [
        response(b"<html>not found</html>", 404),
        response(b"", 404),
        response({"detail": "Not Found"}, 404),
        response(b"<html>forbidden</html>", 403),
    ],
    ids=["page", "empty", "object", "forbidden"],
)
async def test_ping_names_base_url_where_a_gateway_answers(reply) -> None:
    async with client(max_retries=0) as (scope, service):
        service.blocked = reply
        with pytest.raises(ScopeError) as caught:
            await scope.ping()
        assert f"base_url = {scope.config.base_url} " in caught.value.message


async def test_ping_is_not_satisfied_by_a_page_that_claims_success() -> None:
    async with client(max_retries=0) as (scope, service):
        service.blocked = response(b"<html>welcome</html>")
        with pytest.raises(ScopeError, match="not JSON"):
            await scope.ping()
        service.blocked = response({"code": "prompt_not_found", "message": "no such prompt"}, 404)
        await scope.ping()


async def test_doctor_says_that_the_path_is_wrong(monkeypatch) -> None:
    service = Scope()
    service.blocked = response(b"<html>not found</html>", 404)
    async with raw_server(service.handle) as server:
        for name, value in {
            "SCOPE_API_URL": f"{server.url}/wrong",
            "SCOPE_AUTH_API_URL": server.url,
            "SCOPE_ORG_ID": "org_1",
            "SCOPE_API_KEY": "key_1",
            "SCOPE_API_SECRET": "secret_1",
        }.items():
            monkeypatch.setenv(name, value)
        checkup = Checkup()
        await checkup.run()
    assert not checkup.healthy
    last = checkup.checks[-1]
    assert (last.name, last.outcome) == ("token", "failed")
    assert f"SCOPE_API_URL = {server.url}/wrong" in last.advice
    assert f"{server.url}/wrong" in last.detail
