from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from scope_async.config import Config
from scope_async.errors import (
    AuthorizationError,
    ConnectionError,
    NoProductionVersionError,
    NotFoundError,
    ServerError,
)
from scope_async.http.failures import MISDIRECTED, is_transient
from scope_async.http.messages import Reply
from scope_async.prompts.conditional import FetchedVersion, Validator
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.reference import PromptRef
from scope_async.telemetry.events import Event, PromptFetched
from tests.fakes.transport import FakeTokens, FakeTransport, document

REF = PromptRef.of("p")


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


def endpoint_of(
    transport: Any, *, base_url: str = "http://localhost:1", emit=None, tokens: Any = None
) -> PromptEndpoint:
    config = Config(base_url=base_url, auth_api_url="http://localhost:1")
    tokens = tokens or FakeTokens()
    return PromptEndpoint(config, transport=transport, token_provider=tokens, emit=emit)


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
    assert (await endpoint.fetch(REF, known=known)).version is known.version
    transport.number = 2
    assert (await endpoint.fetch(REF, known=known)).version.version_number == 2


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


class ScriptedTransport:
    """Answers each call with the next reply: its status, headers and body."""

    def __init__(self, *replies: tuple[int, dict[str, str], Any]) -> None:
        self.replies = list(replies)
        self.conditions: list[str | None] = []

    async def call(self, request, read, token_provider: Any, *_: Any) -> Any:
        """Send until a reply is accepted, each time with a token of its own, as the transport does."""
        while True:
            token = token_provider.peek() or await token_provider.get_within(1.0)
            request.authorize(token)
            self.conditions.append(request.headers.get("If-None-Match"))
            status, headers, body = self.replies.pop(0)
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            reply = Reply(status=status, headers=CIMultiDict(headers), body=body, sent=dict(request.headers))
            try:
                return read(reply)
            except ServerError as error:
                assert is_transient(error)
                if not self.replies:
                    raise


ETAGS = ['"1"', 'W/"1"', '""', '"W/x"', '"\'!~"']


@pytest.mark.parametrize("etag", ETAGS)
async def test_fetch_is_conditional_after_an_etag_and_returns_the_copy_for_a_304(etag: str) -> None:
    transport = ScriptedTransport((200, {"ETag": etag}, document("p", 1)), (304, {"etag": etag}, b""))
    endpoint = endpoint_of(transport)
    known = await endpoint.fetch(REF)
    assert known.validator == Validator(etag, "key_1")
    again = await endpoint.fetch(REF, known=known)
    assert transport.conditions == [None, etag]
    assert again == FetchedVersion(known.version, known.validator, not_modified=True)
    assert again.version is known.version


@pytest.mark.parametrize("answer", ['W/"1"', None])
async def test_fetch_takes_a_304_whose_etag_is_weak_or_absent(answer: str | None) -> None:
    headers = {} if answer is None else {"ETag": answer}
    transport = ScriptedTransport((200, {"ETag": '"1"'}, document("p", 1)), (304, headers, b""))
    endpoint = endpoint_of(transport)
    known = await endpoint.fetch(REF)
    assert (await endpoint.fetch(REF, known=known)).not_modified


@pytest.mark.parametrize("etag", ["1", '"a\nb"', '"' + "x" * 2000 + '"', "", "*", 'w/"1"', '"\u00e9"'])
async def test_fetch_ignores_what_is_no_entity_tag(etag: str) -> None:
    transport = ScriptedTransport((200, {"ETag": etag}, document("p", 1)))
    assert (await endpoint_of(transport).fetch(REF)).validator is None


async def test_fetch_sends_no_validator_with_another_api_key() -> None:
    tokens = FakeTokens()
    transport = ScriptedTransport(
        (200, {"ETag": '"1"'}, document("p", 1)), (200, {"ETag": '"1"'}, document("p", 1))
    )
    endpoint = endpoint_of(transport, tokens=tokens)
    known = await endpoint.fetch(REF)
    tokens.api_key = "key_2"
    assert (await endpoint.fetch(REF, known=known)).validator == Validator('"1"', "key_2")
    assert transport.conditions == [None, None]


async def test_fetch_drops_the_condition_when_the_api_key_changes_between_two_attempts() -> None:
    tokens = FakeTokens()

    class Rotating(ScriptedTransport):
        async def call(self, request, read, *options: Any) -> Any:
            def read_and_rotate(reply: Reply) -> Any:
                tokens.api_key = "key_2"
                return read(reply)

            return await super().call(request, read_and_rotate, *options)

    transport = Rotating(
        (500, {}, {"message": "first with the old key"}), (200, {"ETag": '"2"'}, document("p", 1))
    )
    known = FetchedVersion((await endpoint_of(FakeTransport()).fetch(REF)).version, Validator('"1"', "key_1"))
    await endpoint_of(transport, tokens=tokens).fetch(REF, known=known)
    assert transport.conditions == ['"1"', None]


async def test_fetch_keeps_the_validator_for_the_api_key_that_was_sent_when_another_came_meanwhile() -> None:
    tokens = FakeTokens()

    class Renewed(ScriptedTransport):
        async def call(self, request, read, *options: Any) -> Any:
            def read_late(reply: Reply) -> Any:
                tokens.api_key = "key_2"
                return read(reply)

            return await super().call(request, read_late, *options)

    transport = Renewed((200, {"ETag": '"1"'}, document("p", 1)))
    fetched = await endpoint_of(transport, tokens=tokens).fetch(REF)
    assert fetched.validator == Validator('"1"', "key_1")


async def test_fetch_refuses_a_304_without_a_condition() -> None:
    transport = ScriptedTransport((304, {"ETag": '"1"'}, b""), (200, {}, document("p", 1)))
    assert (await endpoint_of(transport).fetch(REF)).version.id == "p-1"
    with pytest.raises(ServerError) as caught:
        await endpoint_of(ScriptedTransport((304, {}, b""))).fetch(REF)
    assert (caught.value.http_status, caught.value.error_code) == (304, MISDIRECTED)


@pytest.mark.parametrize("validator", [None, Validator('"1"', "key_2")])
async def test_fetch_refuses_a_304_for_a_copy_whose_validator_was_not_sent(
    validator: Validator | None,
) -> None:
    version = (await endpoint_of(FakeTransport()).fetch(REF)).version
    transport = ScriptedTransport((304, {}, b""), (200, {}, document("p", 2)))
    fetched = await endpoint_of(transport).fetch(REF, known=FetchedVersion(version, validator))
    assert (fetched.version.version_number, transport.conditions) == (2, [None, None])


async def test_fetch_asks_without_a_condition_after_a_304_for_another_version() -> None:
    transport = ScriptedTransport(
        (200, {"ETag": '"1"'}, document("p", 1)),
        (304, {"ETag": '"2"'}, b""),
        (200, {"ETag": '"2"'}, document("p", 2)),
    )
    endpoint = endpoint_of(transport)
    again = await endpoint.fetch(REF, known=await endpoint.fetch(REF))
    assert (again.version.version_number, transport.conditions) == (2, [None, '"1"', None])


OTHERS = [
    (REF, {"name": "q"}),
    (REF, {"name": "q", "prompt_id": "prompt_1"}),
    (REF, {"name": "P"}),
    (PromptRef.of("p", "latest"), {"name": "p "}),
    (PromptRef.of("p", version="v1"), {"version_id": "v2"}),
    (PromptRef.of("p", version="v1"), {"version_id": "V1"}),
    (PromptRef.of("p", version="v1"), {"version_id": None, "id": "v2"}),
    (PromptRef.of("p", version="v1"), {"version_id": "v1", "name": "q"}),
]


@pytest.mark.parametrize(("ref", "changes"), OTHERS)
async def test_fetch_refuses_an_answer_to_another_question(ref: PromptRef, changes: dict[str, Any]) -> None:
    wrong = {**document("p", 1), **changes}
    right = {**document("p", 1), "version_id": "v1"}
    transport = ScriptedTransport((200, {"ETag": '"1"'}, wrong), (200, {}, right))
    assert (await endpoint_of(transport).fetch(ref)).version.id == "v1"
    with pytest.raises(ServerError) as caught:
        await endpoint_of(ScriptedTransport((200, {}, wrong))).fetch(ref)
    assert caught.value.error_code == MISDIRECTED


@pytest.mark.parametrize(
    ("ref", "changes"),
    [
        (REF, {"name": None}),
        (REF, {"name": "other", "prompt_id": "p"}),
        (REF, {"name": "p", "prompt_id": "prompt_1"}),
        (PromptRef.of("p", version="v1"), {"version_id": "row-7", "id": "v1"}),
        (PromptRef.of("p", version="v1"), {"version_id": None, "id": "v1"}),
    ],
)
async def test_fetch_accepts_an_answer_by_any_field_that_fits(
    ref: PromptRef, changes: dict[str, Any]
) -> None:
    transport = ScriptedTransport((200, {}, {**document("p", 1), **changes}))
    await endpoint_of(transport).fetch(ref)
