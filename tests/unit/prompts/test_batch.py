from __future__ import annotations

from typing import Any

import anyio
import pytest

from scope_async.errors import (
    ApiError,
    AuthorizationError,
    ClientClosedError,
    ConnectionError,
    NotFoundError,
    ScopeError,
    ServerError,
    ValidationError,
)
from scope_async.prompts.batch import MAX_CONCURRENCY, combine_errors, distinct_names, fetch_all
from scope_async.prompts.version import PromptVersion

GONE = NotFoundError("gone", http_status=404)


def test_distinct_names_keeps_the_order_of_first_appearance() -> None:
    assert distinct_names(iter(["b", "a", "b"])) == ["b", "a"]
    assert distinct_names([]) == []


@pytest.mark.parametrize("names", ["greeting", 5, None, [["a"]]])
def test_distinct_names_refuses_what_is_not_several_names(names: Any) -> None:
    with pytest.raises(ValidationError, match="names must be several names"):
        distinct_names(names)


async def test_fetch_all_runs_at_most_ten_at_once_and_keeps_the_order() -> None:
    running, most = 0, 0

    async def get(name: str) -> PromptVersion:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1
        return PromptVersion(name=name, content="")

    names = [f"p{index}" for index in range(25)]
    found, failures = await fetch_all(names, get)
    assert (list(found), failures, most) == (names, {}, MAX_CONCURRENCY)


async def test_fetch_all_returns_failures_by_name() -> None:
    async def get(name: str) -> PromptVersion:
        if name == "bad":
            raise GONE
        return PromptVersion(name=name, content="")

    found, failures = await fetch_all(["good", "bad"], get)
    assert (list(found), failures) == (["good"], {"bad": GONE})


@pytest.mark.parametrize("error", [GONE, ValidationError("no"), ClientClosedError("closed")])
def test_combine_errors_returns_a_single_error_that_speaks_for_itself(error: ScopeError) -> None:
    assert combine_errors({"a": error}) is error


def test_combine_errors_names_every_missing_prompt() -> None:
    error = combine_errors({"a": GONE, "b": GONE})
    assert type(error) is NotFoundError
    assert error.http_status == 404
    assert "not found: 'a', 'b'" in str(error)


def test_combine_errors_takes_the_class_of_the_first_that_is_not_missing() -> None:
    refused = AuthorizationError("no", http_status=403, request_id="req-1")
    error = combine_errors({"a": GONE, "b": refused, "c": ServerError("broken", http_status=503)})
    assert type(error) is AuthorizationError
    assert (error.http_status, error.request_id) == (403, "req-1")
    assert error.message.startswith("3 prompt(s) could not be fetched")
    for part in ("3 prompt(s)", "not found: 'a'", "'b': no", "'c': broken"):
        assert part in str(error)
    assert refused.message == "no"


def test_combine_errors_of_one_failure_names_its_prompt() -> None:
    error = combine_errors({"a": ConnectionError("no route")})
    assert type(error) is ConnectionError
    assert not isinstance(error, ApiError)
    assert "'a': no route" in str(error)


def down(number: int, **facts: Any) -> ServerError:
    options = {"http_status": 503, "error_code": "unavailable", "request_id": f"req-{number}", **facts}
    return ServerError("the service is down", **options)


def test_combine_errors_says_status_code_and_request_id_once() -> None:
    error = combine_errors({"a": down(1), "b": down(2), "c": GONE, "d": down(3)})
    assert str(error) == (
        "4 prompt(s) could not be fetched; not found: 'c'; 'a', 'b', 'd': the service is down "
        "(HTTP 503, code unavailable, request id req-1)"
    )
    assert (error.http_status, error.error_code, error.request_id) == (503, "unavailable", "req-1")


def test_combine_errors_names_a_status_that_differs_from_the_first() -> None:
    refused = AuthorizationError("no", http_status=403, error_code="unavailable")
    error = combine_errors({"a": down(1), "b": refused, "c": ConnectionError("no route")})
    assert str(error) == (
        "3 prompt(s) could not be fetched; 'a': the service is down; 'b': no (HTTP 403); 'c': no route "
        "(HTTP 503, code unavailable, request id req-1)"
    )


def test_combine_errors_of_one_failure_says_its_facts_once() -> None:
    error = combine_errors({"a": down(1)})
    for fact in ("HTTP 503", "code unavailable", "req-1"):
        assert str(error).count(fact) == 1
