from __future__ import annotations

import pytest

from scope_async.config import Config
from scope_async.errors import AuthorizationError, ConnectionError, NoProductionVersionError, NotFoundError
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.reference import PromptRef
from scope_async.telemetry.events import Event, PromptFetched
from tests.fakes.transport import FakeTransport

REF = PromptRef.of("p")


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


def endpoint_of(
    transport: FakeTransport, *, base_url: str = "http://localhost:1", emit=None
) -> PromptEndpoint:
    config = Config(base_url=base_url, auth_api_url="http://localhost:1")
    return PromptEndpoint(config, transport=transport, token_provider=None, emit=emit)


@pytest.mark.parametrize("base_url", ["http://localhost:1", "http://localhost:1/api/v1"])
async def test_fetch_sends_a_get_to_the_quoted_path(transport: FakeTransport, base_url: str) -> None:
    await endpoint_of(transport, base_url=base_url).fetch(PromptRef.of("a b", version="v/1"))
    (request,) = transport.requests
    assert request.method == "GET"
    assert request.url.raw_path == "/api/v1/prompts/a%20b/versions/v%2F1"
    assert request.template == "/api/v1/prompts/{name}/versions/{version_id}"
    assert (request.operation, request.prompt, request.body) == ("prompts.get", "a b", None)


async def test_fetch_sends_the_request_id_and_the_retries_it_is_given(transport: FakeTransport) -> None:
    await endpoint_of(transport).fetch(REF, request_id="the-id", max_retries=0)
    assert (transport.requests[0].request_id, transport.retries) == ("the-id", [0])


async def test_fetch_reports_failed_attempts_to_its_caller(transport: FakeTransport) -> None:
    errors: list[Exception] = []
    await endpoint_of(transport).fetch(REF, on_attempt_failed=errors.append)
    error = ConnectionError("no route")
    transport.fail_attempt(error)
    assert errors == [error]


async def test_fetch_returns_the_known_version_for_the_same_bytes(transport: FakeTransport) -> None:
    endpoint = endpoint_of(transport)
    known = await endpoint.fetch(REF)
    assert await endpoint.fetch(REF, known=known) is known
    transport.number = 2
    assert (await endpoint.fetch(REF, known=known)).version_number == 2


async def test_fetch_raises_no_production_version_for_a_404_on_production_alone(
    transport: FakeTransport,
) -> None:
    transport.statuses["p"] = 404
    endpoint = endpoint_of(transport)
    with pytest.raises(NoProductionVersionError, match="'p' has no production version") as caught:
        await endpoint.fetch(REF)
    assert (caught.value.name, caught.value.http_status, caught.value.request_id) == ("p", 404, "req-1")
    with pytest.raises(NotFoundError) as other:
        await endpoint.fetch(PromptRef.of("p", "latest"))
    assert type(other.value) is NotFoundError


async def test_fetch_emits_what_was_fetched(transport: FakeTransport) -> None:
    events: list[Event] = []
    await endpoint_of(transport, emit=events.append).fetch(PromptRef.of("p", "latest"), request_id="the-id")
    assert events == [
        PromptFetched(request_id="the-id", prompt="p", selector="latest", version_id="p-1", version_number=1)
    ]


@pytest.mark.parametrize("status", [200, 404])
async def test_ping_accepts_a_prompt_or_a_404(transport: FakeTransport, status: int) -> None:
    transport.statuses["scope-async-ping"] = status
    await endpoint_of(transport).ping()
    assert transport.requests[0].prompt is None


async def test_ping_raises_for_any_other_status(transport: FakeTransport) -> None:
    transport.statuses["scope-async-ping"] = 403
    with pytest.raises(AuthorizationError):
        await endpoint_of(transport).ping()
