from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from scope_async.errors import ValidationError
from scope_async.http.urls import api_root, segment


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
