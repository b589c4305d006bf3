from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from scope_async.errors import ValidationError
from scope_async.http.messages import (
    Reply,
    Request,
    api_root,
    default_headers,
    merge_headers,
    request_headers,
    segment,
)

SECRET = "secret_01DEF456"


def test_repr_of_request_and_reply_shows_no_header_and_no_body() -> None:
    request = Request(
        operation="exchange",
        method="POST",
        url=URL("https://auth.example"),
        headers={"Authorization": SECRET},
        body=SECRET.encode(),
    )
    reply = Reply(status=200, headers={"Set-Cookie": SECRET}, body=SECRET.encode(), secrets=[SECRET])
    assert repr(request).startswith(
        "Request(operation='exchange', method='POST', url=URL('https://auth.example')"
    )
    assert repr(reply) == "Reply(status=200)"


def test_request_headers_have_a_new_request_id_unless_given_one() -> None:
    first, second = request_headers(), request_headers()
    assert UUID(first["X-Request-ID"]).version == 4
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert dict(request_headers("r-1")) == {"X-Request-ID": "r-1"}


def test_merge_headers_lets_later_ones_win_in_any_case() -> None:
    assert dict(merge_headers({"accept": "theirs", "x": "y"}, {"Accept": "ours"})) == {
        "Accept": "ours",
        "x": "y",
    }


@pytest.mark.parametrize("base_url", ["https://scope.example", "https://scope.example/api/v1"])
def test_api_root_adds_the_path_once(base_url) -> None:
    assert api_root(base_url, "v1") == "https://scope.example/api/v1"


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("greeting", "greeting"),
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("%2e%2e", "%252e%252e"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("...", "..."),
        ("x" * 255, "x" * 255),
    ],
)
def test_segment_quotes_a_name(name, quoted) -> None:
    assert segment(name, "name") == quoted


@pytest.mark.parametrize("name", ["", "x" * 256, ".", "..", "\ud800", None, 7, b"greeting"])
def test_segment_refuses_what_cannot_be_a_name(name) -> None:
    with pytest.raises(ValidationError):
        segment(name, "name")


@given(st.text(min_size=1, max_size=255))
def test_segment_contains_any_name(name) -> None:
    try:
        quoted = segment(name, "name")
    except ValidationError:
        return
    url = URL(f"https://scope.example/api/v1/prompts/{quoted}/latest", encoded=True)
    assert url.raw_parts[-2] == quoted
    assert url.host == "scope.example"
    assert not url.raw_query_string
    assert not url.raw_fragment


@pytest.mark.parametrize(("status", "success"), [(199, False), (200, True), (299, True), (300, False)])
def test_reply_is_a_success_with_a_2xx_status(status, success) -> None:
    assert Reply(status=status, headers={}, body=b"").is_success is success


def test_default_headers_name_the_environment_and_this_package() -> None:
    headers = default_headers("staging")
    assert headers["X-Scope-Environment"] == "staging"
    assert headers["User-Agent"].startswith("scope-async/")
