from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from scope_async.http.decoding import is_success, read_error, read_json, read_object, read_retry_after
from scope_async.http.messages import Reply

SECRET = "secret_01DEF456"


def reply(status: int = 200, body: object = b"", **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(
        status=status,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=raw,
    )


@pytest.mark.parametrize(("status", "success"), [(199, False), (200, True), (299, True), (300, False)])
def test_is_success_for_a_2xx_status(status, success) -> None:
    assert is_success(reply(status)) is success


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
def test_read_error_chooses_the_class_by_status(status, kind) -> None:
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
        ({"error": {}}, None, "the service answered with status 418"),
        ({"code": 7, "message": ["m"]}, None, "the service answered with status 418"),
        ([], None, "the service answered with status 418"),
        (None, None, "the service answered with status 418"),
        (b"<html>Not here</html>", None, "the service answered with status 418"),
        (b"\xff\xfe\x00", None, "the service answered with status 418"),
        (b"", None, "the service answered with status 418"),
        (b"[" * 100_000, None, "the service answered with status 418"),
    ],
)
def test_read_error_reads_every_spelling(body, code, message) -> None:
    error = read_error(reply(418, body))
    assert (error.error_code, error.message) == (code, message)


def test_read_error_says_that_a_redirect_is_not_followed() -> None:
    assert "redirect" in str(read_error(reply(302, b"", Location="https://elsewhere.example")))


def test_read_json_returns_the_json_of_a_success() -> None:
    assert read_json(reply(201, {"a": [1]})) == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"<html>", "not JSON"),
        (b"\xff\xff", "not JSON"),
        ('"café"'.encode("latin-1"), "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 10_000, "thousands of digits"),
    ],
)
def test_read_json_of_a_success_without_json_is_a_server_error(body, message) -> None:
    with pytest.raises(ServerError, match=message) as caught:
        read_json(reply(200, body))
    assert caught.value.http_status == 200
    # A decoder's error carries the whole document.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("body", [[], "text", 7, None, True])
def test_read_object_of_another_json_value_is_a_server_error(body) -> None:
    with pytest.raises(ServerError, match="not an object"):
        read_object(reply(200, body))


def test_read_object_names_missing_fields() -> None:
    with pytest.raises(ServerError, match="has no name, content"):
        read_object(reply(200, {"id": "v1"}), "id", "name", "content")


def test_read_object_reports_the_error_in_a_success() -> None:
    with pytest.raises(ServerError, match="quota used up") as caught:
        read_object(reply(200, {"error": {"code": "quota", "message": "quota used up"}}), "id")
    assert caught.value.error_code == "quota"


def test_read_object_leaves_the_first_word_of_an_error_in_a_success() -> None:
    data = {"token_type": "key", "message": "The key was revoked"}
    with pytest.raises(ServerError, match="has no access_token, and says: The key was revoked"):
        read_object(reply(200, data), "access_token")


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


def test_retry_after_as_a_date_is_measured_from_the_date_of_the_reply() -> None:
    sent = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    until = format_datetime(sent + timedelta(seconds=90), usegmt=True)
    assert read_retry_after(until, format_datetime(sent, usegmt=True)) == 90.0
    assert read_retry_after(format_datetime(sent, usegmt=True), until) == 0.0


def test_retry_after_as_a_date_is_measured_from_now_without_a_date() -> None:
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    far = read_retry_after("Wed, 21 Oct 2999 07:28:00 GMT", "nonsense")
    assert far is not None
    assert far > 86400.0


@given(st.text(max_size=60), st.none() | st.text(max_size=60))
def test_retry_after_reads_any_header(value, date) -> None:
    seconds = read_retry_after(value, date)
    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Feb 2025 00:00:00 GMT", "Fri, 01 Jan 10000 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +9999"],
)
def test_retry_after_of_a_date_that_does_not_exist_is_none(date) -> None:
    assert read_retry_after(date) in (None, 0.0)


@given(st.binary(max_size=200), st.integers(200, 599))
def test_read_json_reads_any_reply(body, status) -> None:
    answer = reply(status, body)
    try:
        read_json(answer)
    except ApiError as error:
        assert error.http_status == status


@pytest.mark.parametrize("read", [read_error, read_json])
def test_error_body_shows_no_token_of_the_request(read) -> None:
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
def test_retry_after_of_a_date_beyond_every_clock_is_none(when) -> None:
    assert read_retry_after(when) is None


def test_error_message_is_one_printable_line() -> None:
    error = read_error(
        reply(500, {"code": "c\r\nforged", "message": "x\n2026-01-01 CRITICAL forged \x1b[31m"})
    )
    assert str(error).isprintable()
