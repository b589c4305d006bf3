from __future__ import annotations

import pytest

from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials.document import parse_object, read_credentials
from scope_async.credentials.replacement import format_object, replace_credentials
from scope_async.errors import ConfigurationError, MissingApiKeyError

FIRST = ApiKeyCredentials("org_1", "key_1", "secret_1")
SECOND = ApiKeyCredentials("org_2", "key_2", "secret_2")


@pytest.mark.parametrize(
    "names",
    [
        ("org_id", "api_key", "api_secret"),
        ("SCOPE_ORG_ID", "SCOPE_API_KEY", "SCOPE_API_SECRET"),
        ("SCOPE_ORG_ID", "SCOPE_CLIENT_ID", "SCOPE_CLIENT_SECRET"),
        ("org_id", "SCOPE_CLIENT_ID", "api_secret"),
    ],
)
def test_read_credentials_takes_every_spelling_and_ignores_the_rest(names) -> None:
    document = {**dict(zip(names, ("org_1", " key_1", "secret_1\n"), strict=True)), "other": [1, None]}
    assert read_credentials(document) == FIRST


@pytest.mark.parametrize(
    ("changed", "kind", "said"),
    [
        ({"api_key": None}, MissingApiKeyError, "it has no api_key (or SCOPE_API_KEY or SCOPE_CLIENT_ID)"),
        ({"api_key": ""}, MissingApiKeyError, "it has no api_key"),
        ({"api_key": "  "}, MissingApiKeyError, "api_key is missing"),
        ({"api_secret": 7}, ConfigurationError, "api_secret must be a string"),
        (
            {"SCOPE_API_SECRET": "secret_2"},
            ConfigurationError,
            "api_secret and SCOPE_API_SECRET hold different",
        ),
        ({"api_key": "secret_1"}, ConfigurationError, "api_key holds an API secret"),
    ],
)
def test_read_credentials_returns_an_error_that_names_the_field(changed, kind, said) -> None:
    error = read_credentials({"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1", **changed})
    assert type(error) is kind
    assert isinstance(error, ConfigurationError)
    assert said in str(error)
    assert "secret_" not in str(error)
    assert error.__traceback__ is None


def test_read_credentials_takes_two_spellings_of_one_value() -> None:
    document = {"org_id": "org_1", "api_key": "key_1", "SCOPE_CLIENT_ID": "key_1", "api_secret": "secret_1"}
    assert read_credentials(document) == FIRST


@pytest.mark.parametrize(
    ("text", "said"), [("secret_1", "not valid JSON"), ("[" * 100_000, "not valid JSON"), ("7", "a JSON int")]
)
def test_parse_object_returns_an_error_without_the_text(text, said) -> None:
    error = parse_object(text)
    assert isinstance(error, ConfigurationError)
    assert said in str(error)
    assert "secret_1" not in str(error)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"org_id": "org_2", "api_key": "key_2", "api_secret": "secret_2"}),
        (
            {"a": 1, "SCOPE_CLIENT_ID": "x"},
            {"a": 1, "SCOPE_CLIENT_ID": "key_2", "SCOPE_ORG_ID": "org_2", "SCOPE_API_SECRET": "secret_2"},
        ),
        (
            {"api_key": "x", "SCOPE_API_KEY": "x", "org_id": "y", "api_secret": "z"},
            {"api_key": "key_2", "SCOPE_API_KEY": "key_2", "org_id": "org_2", "api_secret": "secret_2"},
        ),
    ],
)
def test_replace_credentials_keeps_the_rest_and_the_spelling(before, after) -> None:
    original = dict(before)
    assert replace_credentials(before, SECOND) == after
    assert before == original
    assert read_credentials(after) == SECOND


def test_format_object_keeps_one_line_or_several() -> None:
    assert format_object({"a": "é"}, like='{"a": 1}\n') == '{"a": "é"}'
    assert format_object({"a": 1}, like='{\n "a": 0\n}') == '{\n  "a": 1\n}'


def test_format_object_returns_an_error_for_what_is_not_json() -> None:
    assert isinstance(format_object({"a": float("inf")}, like=""), ConfigurationError)
