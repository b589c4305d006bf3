from __future__ import annotations

import base64
import html
import json
import pickle
import pprint
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr
from yarl import URL

from scope_async import ApiKeyCredentials, Config
from scope_async._core.redaction import printable, scrub
from scope_async.auth.acquisition import AcquiredToken
from scope_async.auth.exchange import ExchangeResponse
from scope_async.auth.token import AccessToken
from scope_async.credentials.providers import StaticCredentials
from scope_async.http.messages import Reply, Request

SECRET = "Zk+9/qT=7xR2&w8LmN"
SECRETS = {SECRET: "[it]"}


def each_escaped(text: str, form: str) -> str:
    return "".join(form.format(ord(sign)) for sign in text)


SPELLINGS = {
    "plain": SECRET,
    "json": json.dumps(SECRET),
    "slash": SECRET.replace("/", "\\/"),
    "u002B": SECRET.replace("+", "\\u002B").replace("=", "\\u003D"),
    "u002b": SECRET.replace("+", "\\u002b").replace("=", "\\u003d"),
    "all of it": each_escaped(SECRET, "\\u{:04x}"),
    "percent": quote(SECRET, safe=""),
    "percent in small letters": re.sub("%..", lambda sign: sign[0].lower(), quote(SECRET, safe="")),
    "all percent": each_escaped(SECRET, "%{:02X}"),
    "percent twice": quote(quote(SECRET, safe=""), safe=""),
    "url in json": json.dumps(each_escaped(SECRET, "%{:02x}")).replace("%", "\\u0025"),
    "html": html.escape(SECRET),
    "entities": each_escaped(SECRET, "&#x{:x};"),
    "hex": each_escaped(SECRET, "\\x{:02x}"),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 of the pair": base64.b64encode(f"key_01XYZ:{SECRET}".encode()).decode(),
    "base64 of another pair": base64.b64encode(f"k:{SECRET}\n".encode()).decode(),
    "urlsafe": base64.urlsafe_b64encode(f"ab:{SECRET}".encode()).decode(),
    "base64 in json": json.dumps(base64.b64encode(f"a:{SECRET}".encode()).decode()).replace("=", "\\u003D"),
    "the first half": SECRET[: len(SECRET) // 2],
    "the second half": SECRET[len(SECRET) // 2 :],
    "cut in the middle": f"{SECRET[:9]}...{SECRET[-9:]}",
    "cut percent": quote(SECRET, safe="")[:14],
}


@pytest.mark.parametrize("spelling", SPELLINGS, ids=list(SPELLINGS))
@pytest.mark.parametrize("around", ["got {} from you", '{{"message": "{}"}}', "{}"])
def test_scrub_hides_a_secret_however_it_is_spelled(spelling, around) -> None:
    shown = scrub(around.replace("{{", "{").replace("}}", "}").replace("{}", SPELLINGS[spelling]), SECRETS)
    assert "[it]" in shown
    for level in (shown, html.unescape(shown)):
        for start in range(len(SECRET) - 7):
            assert SECRET[start : start + 8] not in level
        assert SPELLINGS[spelling] not in level


@given(st.text(min_size=12, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_scrub_hides_any_secret(secret, before, after) -> None:
    for spelled in (secret, json.dumps(secret)[1:-1], quote(secret.encode("utf-8", "surrogatepass"))):
        assert secret not in scrub(before + spelled + after, {secret: ""}, limit=10_000)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("cannot reach http://joe:hunter2@proxy.example:3128", "hunter2"),
        ("cannot reach http://joe:p@ss/word@proxy", "p@ss"),
        ("Proxy-Authorization: Basic am9lOmh1bnRlcjI=", "am9lOmh1bnRlcjI"),
        ("Authorization: bearer abc.def-ghi", "abc.def"),
        ("the token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln is yours", "eyJzdWIi"),
        ("client_secret=hunter2&x=1", "hunter2"),
        ('{"access_token": "opaque-0815"}', "opaque"),
        ("password: 'two words'", "two words"),
        ("the key's secret_01DEF456 is wrong", "01DEF456"),
    ],
)
def test_scrub_hides_what_looks_like_a_secret(text, hidden) -> None:
    assert hidden not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "no such prompt: greeting",
        "cannot connect to host scope.example:443 [Connection refused]",
        "client secret is wrong for key key_01XYZ789",
        "the token has expired",
        "see https://scope.example/docs@v2",
        "100% of \\ nothing",
    ],
)
def test_scrub_leaves_other_text_alone(text) -> None:
    assert scrub(text, SECRETS) == text


@pytest.mark.parametrize(
    "sign", ["\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\u2028", "\ud800"]
)
def test_printable_is_one_line_that_moves_no_cursor(sign) -> None:
    assert printable(f"a{sign}b") == "a b"
    assert scrub(f"a{sign}b") == "a b"


def test_scrub_cuts_after_hiding() -> None:
    assert scrub("x" * 495 + SECRET, SECRETS) == "x" * 495 + "[it]"


TOKEN_VALUE = "a-token-that-nobody-may-see"
URL_WITH_PASSWORD = f"redis://user:{TOKEN_VALUE}@redis.example"


@pytest.mark.parametrize(
    "record",
    [
        ExchangeResponse(TOKEN_VALUE, lifetime=60.0),
        AcquiredToken(ExchangeResponse(TOKEN_VALUE, lifetime=60.0), "key_01", 0.0),
        AccessToken(TOKEN_VALUE, f"Bearer {TOKEN_VALUE}", 1, "key_01", 60.0, 1.0, 2.0, 3.0, time.monotonic),
        ApiKeyCredentials("org_01", "key_01", TOKEN_VALUE),
        StaticCredentials(ApiKeyCredentials("org_01", "key_01", TOKEN_VALUE)),
        Config(
            base_url="https://api.example", auth_api_url="https://auth.example", store_url=URL_WITH_PASSWORD
        ),
        Request("exchange", "POST", URL("https://auth.example"), {"Authorization": TOKEN_VALUE}),
        Reply(200, {"Set-Cookie": TOKEN_VALUE}, TOKEN_VALUE.encode(), secrets=[TOKEN_VALUE]),
    ],
    ids=lambda record: type(record).__name__,
)
def test_secret_fields_are_shown_by_nothing_that_prints_a_record(record) -> None:
    assert TOKEN_VALUE in repr(pickle.dumps(record)), "it is there"
    for shown in (repr(record), str(record), pprint.pformat(record), pretty_repr(record)):
        assert TOKEN_VALUE not in shown
