from __future__ import annotations

import json

import pytest

from scope_async.errors import NotFoundError, ServerError
from scope_async.http.messages import Reply
from scope_async.keys import KeyEvent
from scope_async.keys.decoding import reading, reading_page

EVENT = {"event": "used", "at": "2026-01-02T03:04:05Z"}
SECRET = "secret_0123456789"


def reply(body: object, status: int = 200) -> Reply:
    return Reply(status=status, headers={"X-Request-ID": "r-1"}, body=json.dumps(body).encode())


def test_reading_returns_the_object() -> None:
    assert reading(KeyEvent)(reply(EVENT)).event == "used"


def test_reading_of_a_broken_success_keeps_status_and_request_id_and_no_body() -> None:
    with pytest.raises(ServerError, match="at is missing") as caught:
        reading(KeyEvent)(reply({"event": "used", "api_secret": SECRET, "code": SECRET}))
    error = caught.value
    assert (error.http_status, error.request_id, error.http_body) == (200, "r-1", None)
    assert error.error_code is None
    assert error.__context__ is None


def test_reading_of_an_error_raises_it_with_its_body() -> None:
    with pytest.raises(NotFoundError) as caught:
        reading(KeyEvent)(reply({"message": "no such key"}, status=404))
    assert caught.value.http_body == '{"message": "no such key"}'


def test_reading_page_returns_items_and_the_next_cursor() -> None:
    items, following = reading_page(KeyEvent, ())(reply({"data": [EVENT, EVENT], "next_cursor": "c"}))
    assert ([item.event for item in items], following) == (["used", "used"], "c")
    assert reading_page(KeyEvent, {"c"})(reply({"data": []})) == ([], None)


def test_reading_page_refuses_a_cursor_that_was_seen() -> None:
    with pytest.raises(ServerError, match="next page"):
        reading_page(KeyEvent, {"a", "c"})(reply({"data": [], "next_cursor": "c"}))
