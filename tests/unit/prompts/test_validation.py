from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from scope_async.errors import ValidationError
from scope_async.prompts import validation

NOON = datetime(2024, 5, 1, 12)  # noqa: DTZ001 - the instant without an offset is what is tested
CHAT = [{"role": "system", "content": "Be kind."}]


@pytest.mark.parametrize(("value", "kind"), [("x", str), (5, int), (True, bool), (NOON, datetime)])
def test_of_type_returns_a_value_of_the_type(value: Any, kind: type) -> None:
    assert validation.of_type("field", value, kind) is value


@pytest.mark.parametrize(("value", "kind"), [(5, str), (True, int), (None, str), (1, bool)])
def test_of_type_refuses_another_type_by_name(value: Any, kind: type) -> None:
    with pytest.raises(ValidationError, match=f"field must be of type {kind.__name__}"):
        validation.of_type("field", value, kind)


def test_one_of_refuses_what_is_no_choice() -> None:
    assert validation.one_of("field", "a", ("a", "b")) == "a"
    with pytest.raises(ValidationError, match="field must be one of a, b, got 'c'"):
        validation.one_of("field", "c", ("a", "b"))


def test_strings_returns_a_tuple() -> None:
    assert validation.strings("field", ["a", "b"]) == ("a", "b")
    assert validation.strings("field", iter(())) == ()


@pytest.mark.parametrize("value", ["text", 5, None, ["a", 1], [None]])
def test_strings_refuses_what_is_no_list_of_strings(value: Any) -> None:
    with pytest.raises(ValidationError, match="field must be a list of strings"):
        validation.strings("field", value)


def test_read_only_returns_a_copy_that_cannot_change() -> None:
    given = {"list": [1]}
    mapping = validation.read_only("field", given)
    given["list"].append(2)
    assert mapping == {"list": (1,)}
    assert isinstance(mapping, MappingProxyType)
    assert validation.read_only("field", None) == {}
    with pytest.raises(ValidationError, match="field must be a mapping"):
        validation.read_only("field", [1])


def test_aware_takes_an_instant_without_an_offset_for_utc() -> None:
    other = NOON.replace(tzinfo=timezone(timedelta(hours=2)))
    assert validation.aware("field", NOON) == NOON.replace(tzinfo=UTC)
    assert validation.aware("field", other) is other
    assert validation.aware("field", None) is None
    with pytest.raises(ValidationError):
        validation.aware("field", "2024-05-01")


def test_content_text_returns_the_json_of_messages() -> None:
    assert validation.content_text("text") == "text"
    assert json.loads(validation.content_text(CHAT)) == CHAT


@pytest.mark.parametrize(
    "value", [5, None, {"a": 1}, [1], [{"role": "user"}], [{"role": "user", "content": 5}]]
)
def test_content_text_refuses_what_is_neither(value: Any) -> None:
    with pytest.raises(ValidationError, match="content must be a string, or a list"):
        validation.content_text(value)


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (json.dumps(CHAT), [("system", "Be kind.")]),
        ("[]", []),
        ("text", None),
        ("{}", None),
        ("[1]", None),
        ('[{"role": "user"}]', None),
        ("[" * 100_000, None),
    ],
)
def test_chat_messages_reads_json_of_messages_only(content: str, messages: Any) -> None:
    assert validation.chat_messages(content) == messages
