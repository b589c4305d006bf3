from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from scope_async.http.decoding import read_error, read_json, read_object, read_retry_after
from scope_async.http.messages import Reply, Request, api_root, merge_headers, request_headers, segment

SECRET = "secret_01DEF456"


def reply(status: int = 200, body: object = b"", **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(
        status=status,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=raw,
    )


def test_neither_a_request_nor_a_reply_shows_what_it_carries() -> None:
    request = Request(
        operation="exchange",
        method="POST",
        url=URL("https://auth.example"),
        headers={"Authorization": SECRET},
        body=SECRET.encode(),
    )
    assert SECRET not in repr(request)
    assert SECRET not in repr(reply(200, {"access_token": SECRET}, Set_Cookie=SECRET))


def test_each_call_has_an_id_of_its_own() -> None:
    first, second = request_headers(), request_headers()
    assert UUID(first["X-Request-ID"]).version == 4
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert dict(request_headers("r-1")) == {"X-Request-ID": "r-1"}


def test_what_is_merged_later_wins_in_any_spelling() -> None:
    assert dict(merge_headers({"accept": "theirs", "x": "y"}, {"Accept": "ours"})) == {
        "Accept": "ours",
        "x": "y",
    }


@pytest.mark.parametrize("base_url", ["https://scope.example", "https://scope.example/api/v1"])
def test_the_api_path_is_added_once(base_url) -> None:
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
def test_a_name_is_one_quoted_segment(name, quoted) -> None:
    assert segment(name, "name") == quoted


@pytest.mark.parametrize("name", ["", "x" * 256, ".", "..", "\ud800", None, 7, b"greeting"])
def test_what_cannot_be_a_name_is_refused_before_it_is_sent(name) -> None:
    with pytest.raises(ValidationError):
        segment(name, "name")


@given(st.text(min_size=1, max_size=255))
def test_no_name_leaves_its_segment(name) -> None:
    try:
        quoted = segment(name, "name")
    except ValidationError:
        return
    url = URL(f"https://scope.example/api/v1/prompts/{quoted}/latest", encoded=True)
    assert url.raw_parts[-2] == quoted
    assert url.host == "scope.example"
    assert not url.raw_query_string
    assert not url.raw_fragment


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (401, AuthenticationError),
        (403, AuthorizationError),
        (404, NotFoundError),
        (405, ApiError),
        (409, ConflictError),
        (422, ApiError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
        (301, ServerError),
        (304, ServerError),
    ],
)
def test_the_status_decides_the_kind(status, kind) -> None:
    error = read_error(reply(status, {"code": "c", "message": "m"}, X_Request_ID="r-1"))
    assert type(error) is kind
    assert (error.http_status, error.error_code, error.message, error.request_id) == (status, "c", "m", "r-1")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"code": "c", "message": "m"}, "c", "m"),
        ({"error": {"code": "c", "message": "m"}}, "c", "m"),
        ({"error": "m"}, None, "m"),
        ({"error": "m", "code": "c"}, "c", "m"),
        ({"error": {}}, None, "the service answered with status 404"),
        ({"code": 7, "message": ["m"]}, None, "the service answered with status 404"),
        ([], None, "the service answered with status 404"),
        (None, None, "the service answered with status 404"),
        (b"<html>Not here</html>", None, "the service answered with status 404"),
        (b"\xff\xfe\x00", None, "the service answered with status 404"),
        (b"", None, "the service answered with status 404"),
        (b"[" * 100_000, None, "the service answered with status 404"),
    ],
)
def test_every_spelling_of_an_error_is_read(body, code, message) -> None:
    error = read_error(reply(404, body))
    assert (error.error_code, error.message) == (code, message)


def test_a_redirect_says_that_it_is_not_followed() -> None:
    assert "redirect" in str(read_error(reply(302, b"", Location="https://elsewhere.example")))


def test_a_success_is_its_json() -> None:
    assert read_json(reply(201, {"a": [1]})) == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"<html>", "not JSON"),
        (b"\xff\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"1" * 10_000, "not JSON"),
    ],
)
def test_a_success_without_json_is_a_server_error(body, told) -> None:
    with pytest.raises(ServerError, match=told) as caught:
        read_json(reply(200, body))
    assert caught.value.http_status == 200
    # A decoder's error carries the whole document.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("body", [[], "text", 7, None, True])
def test_a_success_that_is_no_object_is_a_server_error(body) -> None:
    with pytest.raises(ServerError, match="not an object"):
        read_object(reply(200, body))


def test_missing_fields_are_named() -> None:
    with pytest.raises(ServerError, match="has no name, content"):
        read_object(reply(200, {"id": "v1"}), "id", "name", "content")


def test_a_success_with_an_error_body_says_what_it_says() -> None:
    with pytest.raises(ServerError, match="quota used up") as caught:
        read_object(reply(200, {"error": {"code": "quota", "message": "quota used up"}}), "id")
    assert caught.value.error_code == "quota"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("1.5", 1.5),
        (" 3 ", 3.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_in_seconds(value, seconds) -> None:
    assert read_retry_after(value) == seconds


def test_a_retry_date_is_measured_from_the_replys_own_date() -> None:
    sent = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    until = format_datetime(sent + timedelta(seconds=90), usegmt=True)
    assert read_retry_after(until, format_datetime(sent, usegmt=True)) == 90.0
    assert read_retry_after(format_datetime(sent, usegmt=True), until) == 0.0


def test_a_retry_date_without_the_replys_date_is_measured_from_now() -> None:
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    far = read_retry_after("Wed, 21 Oct 2999 07:28:00 GMT", "nonsense")
    assert far is not None
    assert far > 86400.0


@given(st.text(max_size=60), st.none() | st.text(max_size=60))
def test_no_header_breaks_the_reading(value, date) -> None:
    seconds = read_retry_after(value, date)
    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Feb 2025 00:00:00 GMT", "Fri, 01 Jan 10000 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +9999"],
)
def test_a_date_that_does_not_exist_is_no_date(date) -> None:
    assert read_retry_after(date) in (None, 0.0)


@given(st.binary(max_size=200), st.integers(200, 599))
def test_no_reply_breaks_the_reading(body, status) -> None:
    answer = reply(status, body)
    try:
        read_json(answer)
    except ApiError as error:
        assert error.http_status == status


@pytest.mark.parametrize("read", [read_error, read_json])
def test_a_page_that_repeats_the_headers_does_not_show_the_token(read) -> None:
    said = f"<html>Authorization: Bearer {SECRET}</html>".encode()
    sent = {"Authorization": f"Bearer {SECRET}"}
    answer = Reply(status=500 if read is read_error else 200, headers={}, body=said, sent=sent)
    try:
        error = read(answer)
    except ServerError as raised:
        error = raised
    assert error.http_body == "<html>Authorization: Bearer [token]</html>"
    assert SECRET not in repr((error, vars(error), error.__context__))


@pytest.mark.parametrize(
    "when", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "1 Jan 2026 9999999999999999999:0:0"]
)
def test_a_date_that_no_machine_can_hold_is_no_date(when) -> None:
    assert read_retry_after(when) is None


def test_what_the_service_says_is_one_line_that_moves_no_cursor() -> None:
    error = read_error(
        reply(500, {"code": "c\r\nforged", "message": "x\n2026-01-01 CRITICAL forged \x1b[31m"})
    )
    assert str(error).isprintable()
