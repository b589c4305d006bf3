from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials.document import parse_document, read_credentials
from scope_async.errors import ConfigurationError, MissingApiKeyError

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")
VARIABLES = {"SCOPE_ORG_ID": "org_1", "SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "secret_1"}
LINES = "\n".join(f"{name}={value}" for name, value in VARIABLES.items())
PLAIN = {"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1"}


def read(text: str) -> ApiKeyCredentials | ConfigurationError:
    document = parse_document(text)
    return document if isinstance(document, ConfigurationError) else read_credentials(document)


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "\ufeff" + LINES,
        LINES.replace("\n", "\r\n"),
        "# comment\n\n" + LINES.replace("SCOPE_ORG_ID=", "export SCOPE_ORG_ID = "),
        LINES.replace("key_1", '"key_1"').replace("org_1", "'org_1'"),
        "org_id=org_1\napi_key=key_1\napi_secret=secret_1",
        json.dumps(VARIABLES),
        json.dumps({"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1", "note": "x"}),
    ],
)
def test_document_is_read_in_every_form(text) -> None:
    assert read(text) == CREDENTIALS


def test_value_may_hold_an_equals_sign() -> None:
    text = LINES.replace("secret_1", "a=b#c'd")
    assert read(text) == ApiKeyCredentials("org_1", "key_1", "a=b#c'd")


@pytest.mark.parametrize(
    "others",
    [{}, {"port": 5432}, {"note": None, "list": [1], "deep": {"api_key": 7}}, {"on": True, "x": 1.5}],
)
def test_other_fields_may_be_anything(others) -> None:
    assert read(json.dumps({**others, **PLAIN})) == CREDENTIALS


@pytest.mark.parametrize("field", PLAIN)
@pytest.mark.parametrize("value", [7, 1.5, True, [], {}, ["x"]])
def test_field_that_is_no_string_is_named_without_its_value(field, value) -> None:
    error = read(json.dumps({**PLAIN, field: value}))
    assert type(error) is ConfigurationError
    assert f"{field} must be a string" in str(error)


@pytest.mark.parametrize("field", PLAIN)
@pytest.mark.parametrize("value", [None, ""])
def test_field_that_is_null_or_empty_is_missing_and_named(field, value) -> None:
    error = read(json.dumps({**PLAIN, field: value}))
    assert type(error) is MissingApiKeyError
    assert f"it has no {field}" in str(error)


def test_two_spellings_of_one_value_that_differ_are_both_named() -> None:
    error = read(json.dumps({**PLAIN, "SCOPE_CLIENT_SECRET": "secret_2"}))
    assert "api_secret and SCOPE_CLIENT_SECRET hold different values" in str(error)
    assert read(json.dumps({**PLAIN, "SCOPE_CLIENT_SECRET": "secret_1\n"})) == CREDENTIALS


@pytest.mark.parametrize(
    "line", ["api_secret=secret_1  # since May", 'api_secret="secret_1" # x', "api_secret=secret_1\r"]
)
def test_comment_behind_a_value_is_no_part_of_it(line) -> None:
    assert read(f"org_id=org_1\nexport api_key='key_1'\n{line}") == CREDENTIALS


@given(st.text(max_size=80) | st.from_regex(r"\{.*\}"))
def test_any_text_gives_credentials_or_an_error(text) -> None:
    assert isinstance(read(text), ApiKeyCredentials | ConfigurationError)
