from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from scope_async._core.frozen_json import FrozenDict, freeze
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
    assert isinstance(mapping, FrozenDict)
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
    "message",
    [
        {"role": "developer", "content": "x", "name": "n", "cache_control": {"type": "ephemeral"}},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "x", "tool_call_id": "1"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {}}]},
        {"role": "anything", "content": [], "unknown": {"a": [1]}},
        {"type": "placeholder", "name": "history"},
    ],
)
def test_chat_messages_keeps_every_field(message: Any) -> None:
    assert validation.chat_messages(validation.content_text([message])) == freeze([message])


@pytest.mark.parametrize(
    "content",
    [
        "text",
        "{}",
        "[1]",
        '[{"role": "user"}]',
        '[{"content": "x"}]',
        '[{"role": "user", "content": ["x"]}]',
        '[{"type": "placeholder"}]',
        "[" * 100_000,
        f'[{{"role": "user", "content": [{{"x": {"[" * 450}{"]" * 450}}}]}}]',
    ],
)
def test_chat_messages_is_none_for_any_other_text(content: str) -> None:
    assert validation.chat_messages(content) is None


def test_content_text_refuses_messages_nested_too_deeply() -> None:
    deep: Any = 1
    for _ in range(450):
        deep = [deep]
    with pytest.raises(ValidationError, match="nested deeper"):
        validation.content_text([{"role": "user", "content": "x", "deep": deep}])
