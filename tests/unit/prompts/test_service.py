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
async def test_every_name_and_id_is_one_quoted_segment(arguments, path):
    async with prompt_service() as served:
        name, options = arguments
        await served.get(name, **options)
        request = served.transport.requests[0]
        assert served.transport.paths == [path]
        assert request.url.raw_path == f"/api/v1/prompts/{path}"


async def test_every_call_has_an_id_of_its_own():
    async with prompt_service() as served:
        await served.get("p")
        await served.get("q")
        first, second = (dict(request.headers) for request in served.transport.requests)
        assert UUID(first.pop("X-Request-ID")).version == 4
        assert first.pop("X-Request-ID", None) != second.pop("X-Request-ID")
        assert first == second == {}


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
async def test_what_is_not_acceptable_is_refused_before_any_request(name, options):
    async with prompt_service() as served:
        for _ in range(2):
            with pytest.raises(ValidationError):
                await served.get(name, **options)
        assert served.transport.paths == []


async def test_no_production_version_has_its_own_error_with_all_the_facts():
    async with prompt_service() as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError, match="'p'") as caught:
            await served.get("p")
        error = caught.value
        assert isinstance(error, NotFoundError)
        assert isinstance(error, ResourceError)
        assert (error.name, error.http_status, error.request_id) == ("p", 404, "req-1")


@pytest.mark.parametrize("options", [{"label": "latest"}, {"version": "v"}])
async def test_any_other_404_is_a_plain_not_found(options):
    async with prompt_service() as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NotFoundError) as caught:
            await served.get("p", **options)
        assert type(caught.value) is NotFoundError


async def test_ping_accepts_that_there_is_no_such_prompt():
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
async def test_a_fallback_answers_when_nothing_else_can(fallback, text, options, error):
    async with prompt_service() as served:
        served.transport.failure = error
        version = await served.get("p", fallback=fallback, **options)
        assert (version.is_fallback, version.is_stale) == (True, False)
        assert version.render({"x": 1} if version.variables else {}) == text
        assert [event.error for event in served.seen(FallbackUsed)] == [type(error).__name__]
        assert OWN.is_fallback is False


async def test_a_fallback_is_not_used_while_a_stale_copy_can_answer():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        version = await served.get("p", fallback="never")
        assert (version.is_stale, version.is_fallback) == (True, False)


async def test_a_fallback_does_not_hide_what_the_service_says():
    async with prompt_service() as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.get("p", fallback="never")


async def test_with_a_fallback_an_unreachable_service_is_not_asked_at_every_call():
    async with prompt_service() as served:
        served.transport.failure = DOWN
        for _ in range(10):
            assert (await served.get("p", fallback="text")).is_fallback
        assert len(served.transport.paths) == 1
        with pytest.raises(ConnectionError):
            await served.get("p")
        assert len(served.transport.paths) == 2


async def test_a_fallback_that_raises_is_the_callers_own_affair():
    def broken():
        raise ZeroDivisionError

    async with prompt_service() as served:
        served.transport.failure = DOWN
        with pytest.raises(ZeroDivisionError):
            await served.get("p", fallback=broken)
        with pytest.raises(ValidationError, match="returned a int"):
            await served.get("p", fallback=lambda: 5)


async def test_many_are_fetched_a_few_at_a_time():
    async with prompt_service() as served:
        names = [f"p{index}" for index in range(40)]
        found = await served.api.get_many([*names, "p0"], label="latest")
        assert list(found) == names
        assert all(version.name == name for name, version in found.items())
        assert len(served.transport.paths) == 40
        assert served.transport.most_at_once == 10


@pytest.mark.parametrize("call", ["prefetch", "get_many"])
async def test_one_error_names_every_prompt_that_is_missing(call):
    async with prompt_service() as served:
        served.transport.statuses |= {"a": 404, "c": 404}
        with pytest.raises(NotFoundError, match="not found: 'a', 'c'") as caught:
            await getattr(served.api, call)(["a", "b", "c"])
        assert caught.value.http_status == 404
        await served.get("b")
        assert served.transport.count("b/production") == 1


async def test_a_failure_of_another_kind_decides_the_class_of_the_error():
    async with prompt_service() as served:
        served.transport.statuses |= {"a": 404, "b": 403}
        with pytest.raises(AuthorizationError) as caught:
            await served.api.get_many(["a", "b"])
        assert "'a'" in str(caught.value)
        assert "'b'" in str(caught.value)


@pytest.mark.parametrize("names", ["greeting", 5, None])
async def test_names_must_be_several(names):
    async with prompt_service() as served:
        with pytest.raises(ValidationError):
            await served.api.get_many(names)


async def test_a_bad_name_among_many_sends_nothing():
    async with prompt_service() as served:
        with pytest.raises(ValidationError):
            await served.api.prefetch(["a", ""])
        assert served.transport.paths == []


async def test_of_no_names_nothing_is_asked():
    async with prompt_service() as served:
        assert await served.api.get_many([]) == {}


async def test_prefetch_fills_the_cache_and_reports_itself():
    async with prompt_service() as served:
        served.transport.statuses["b"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.api.prefetch(["a", "b"])
        assert served.seen(PrefetchDone) == [PrefetchDone(prompts=2, failed=1, duration_ms=0.0)]


async def test_cancelling_many_is_a_plain_cancellation():
    async with prompt_service() as served:
        served.transport.gate.clear()
        task = asyncio.create_task(served.api.get_many(["a", "b"]))
        await served.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
