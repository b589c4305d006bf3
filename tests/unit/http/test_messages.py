from __future__ import annotations

from uuid import UUID

from yarl import URL

from scope_async.http.messages import (
    Reply,
    Request,
    default_headers,
    merge_headers,
    request_headers,
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


def test_default_headers_name_the_environment_and_this_package() -> None:
    headers = default_headers("staging")
    assert headers["X-Scope-Environment"] == "staging"
    assert headers["User-Agent"].startswith("scope-async/")
