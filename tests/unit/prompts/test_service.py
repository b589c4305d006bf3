import asyncio
from uuid import UUID

import pytest

from scope_async.errors import (
    AuthorizationError,
    ConnectionError,
    NoProductionVersionError,
    NotFoundError,
    ResourceError,
    ServerError,
    TokenRefreshError,
    ValidationError,
)
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import FallbackUsed, PrefetchDone
from tests.fakes.transport import prompt_service

DOWN = ConnectionError("no route")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("p", {}), "p/production"),
        (("p", {"label": "production"}), "p/production"),
        (("p", {"label": "latest"}), "p/latest"),
        (("p", {"version": "v 1"}), "p/versions/v%201"),
        (("../../admin", {}), "..%2F..%2Fadmin/production"),
        (("a?x=1#f", {}), "a%3Fx%3D1%23f/production"),
        (("%2e%2e", {}), "%252e%252e/production"),
        (("grüße", {}), "gr%C3%BC%C3%9Fe/production"),
        (("p", {"version": "../x"}), "p/versions/..%2Fx"),
    ],
)
async def test_name_and_version_id_are_one_quoted_segment(arguments, path):
    async with prompt_service() as served:
        name, options = arguments
        await served.get(name, **options)
        request = served.transport.requests[0]
        assert served.transport.paths == [path]
        assert request.url.raw_path == f"/api/v1/prompts/{path}"


async def test_request_id_is_new_for_each_call():
    async with prompt_service() as served:
        await served.get("p")
        await served.get("q")
        first, second = (dict(request.headers) for request in served.transport.requests)
        assert UUID(first.pop("X-Request-ID")).version == 4
        assert first.pop("X-Request-ID", None) != second.pop("X-Request-ID")
        assert first == second == {"Authorization": "Bearer of-key_1"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("", {}),
        ("n" * 256, {}),
        (".", {}),
        ("..", {}),
        (5, {}),
        (None, {}),
        (["p"], {}),
        ("\ud800", {}),
        ("p", {"label": "staging"}),
        ("p", {"label": ""}),
        ("p", {"label": ["latest"]}),
        ("p", {"label": "latest", "version": "v"}),
        ("p", {"label": "production", "version": "v"}),
        ("p", {"version": ""}),
        ("p", {"version": ".."}),
        ("p", {"version": 3}),
        ("p", {"version": ["v"]}),
        ("p", {"cache_ttl": -1}),
        ("p", {"cache_ttl": float("nan")}),
        ("p", {"cache_ttl": "10"}),
        ("p", {"cache_ttl": True}),
        ("p", {"fallback": 5}),
    ],
)
async def test_invalid_arguments_are_refused_before_any_request(name, options):
    async with prompt_service() as served:
        for _ in range(2):
            with pytest.raises(ValidationError):
                await served.get(name, **options)
        assert served.transport.paths == []


async def test_404_on_production_raises_no_production_version():
    async with prompt_service() as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError, match="'p'") as caught:
            await served.get("p")
        error = caught.value
        assert isinstance(error, NotFoundError)
        assert isinstance(error, ResourceError)
        assert (error.name, error.http_status, error.request_id) == ("p", 404, "req-1")


@pytest.mark.parametrize("options", [{"label": "latest"}, {"version": "v"}])
async def test_404_on_latest_and_by_id_raises_not_found(options):
    async with prompt_service() as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NotFoundError) as caught:
            await served.get("p", **options)
        assert type(caught.value) is NotFoundError


async def test_ping_accepts_a_404():
    async with prompt_service() as served:
        await served.api.ping()
        served.transport.statuses["scope-async-ping"] = 404
        await served.api.ping()
        served.transport.statuses["scope-async-ping"] = 403
        with pytest.raises(AuthorizationError):
            await served.api.ping()


async def returns(value):
    return value


OWN = PromptVersion(name="own", content="own {{x}}")


@pytest.mark.parametrize(
    ("fallback", "text"),
    [
        ("text {{x}}", "text 1"),
        ("", ""),
        (OWN, "own 1"),
        (lambda: "called {{x}}", "called 1"),
        (lambda name: f"{name} {{{{x}}}}", "p 1"),
        (lambda: OWN, "own 1"),
        (lambda: returns("awaited {{x}}"), "awaited 1"),
        (lambda name: returns(OWN), "own 1"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"cache": False}, {"cache_ttl": 0}, {"version": "v"}])
@pytest.mark.parametrize("error", [DOWN, TokenRefreshError("auth down"), ServerError("x", http_status=502)])
async def test_fallback_is_served_when_nothing_else_is_there(fallback, text, options, error):
    async with prompt_service() as served:
        served.transport.failure = error
        version = await served.get("p", fallback=fallback, **options)
        assert (version.is_fallback, version.is_stale) == (True, False)
        assert version.render({"x": 1} if version.variables else {}) == text
        assert [event.error for event in served.seen(FallbackUsed)] == [type(error).__name__]
        assert OWN.is_fallback is False


async def test_fallback_is_not_used_while_a_stale_copy_can_answer():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        version = await served.get("p", fallback="never")
        assert (version.is_stale, version.is_fallback) == (True, False)


async def test_fallback_is_not_used_after_a_404():
    async with prompt_service() as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.get("p", fallback="never")


async def test_fallback_is_served_without_a_request_until_the_delay_is_over():
    async with prompt_service() as served:
        served.transport.failure = DOWN
        for _ in range(10):
            assert (await served.get("p", fallback="text")).is_fallback
        assert len(served.transport.paths) == 1
        with pytest.raises(ConnectionError):
            await served.get("p")
        assert len(served.transport.paths) == 2


async def test_fallback_errors_reach_the_caller():
    def broken():
        raise ZeroDivisionError

    async with prompt_service() as served:
        served.transport.failure = DOWN
        with pytest.raises(ZeroDivisionError):
            await served.get("p", fallback=broken)
        with pytest.raises(ValidationError, match="returned a int"):
            await served.get("p", fallback=lambda: 5)


async def test_get_many_fetches_ten_at_once():
    async with prompt_service() as served:
        names = [f"p{index}" for index in range(40)]
        found = await served.api.get_many([*names, "p0"], label="latest")
        assert list(found) == names
        assert all(version.name == name for name, version in found.items())
        assert len(served.transport.paths) == 40
        assert served.transport.most_at_once == 10


@pytest.mark.parametrize("call", ["prefetch", "get_many"])
async def test_batch_error_names_every_missing_prompt(call):
    async with prompt_service() as served:
        served.transport.statuses |= {"a": 404, "c": 404}
        with pytest.raises(NotFoundError, match="not found: 'a', 'c'") as caught:
            await getattr(served.api, call)(["a", "b", "c"])
        assert caught.value.http_status == 404
        await served.get("b")
        assert served.transport.count("b/production") == 1


async def test_batch_error_has_the_class_of_a_failure_other_than_404():
    async with prompt_service() as served:
        served.transport.statuses |= {"a": 404, "b": 403}
        with pytest.raises(AuthorizationError) as caught:
            await served.api.get_many(["a", "b"])
        assert "'a'" in str(caught.value)
        assert "'b'" in str(caught.value)


@pytest.mark.parametrize("names", ["greeting", 5, None])
async def test_get_many_refuses_what_is_not_several_names(names):
    async with prompt_service() as served:
        with pytest.raises(ValidationError):
            await served.api.get_many(names)


async def test_prefetch_with_an_invalid_name_sends_nothing():
    async with prompt_service() as served:
        with pytest.raises(ValidationError):
            await served.api.prefetch(["a", ""])
        assert served.transport.paths == []


async def test_get_many_of_no_names_sends_nothing():
    async with prompt_service() as served:
        assert await served.api.get_many([]) == {}


async def test_prefetch_fills_the_cache_and_emits_its_event():
    async with prompt_service() as served:
        served.transport.statuses["b"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.api.prefetch(["a", "b"])
        assert served.seen(PrefetchDone) == [PrefetchDone(prompts=2, failed=1, duration_ms=0.0)]


async def test_get_many_is_cancelled_as_a_whole():
    async with prompt_service() as served:
        served.transport.gate.clear()
        task = asyncio.create_task(served.api.get_many(["a", "b"]))
        await served.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
