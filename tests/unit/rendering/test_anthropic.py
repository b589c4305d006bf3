from __future__ import annotations

from typing import Any

import pytest

from scope_async.errors import RenderError
from scope_async.rendering.anthropic import anthropic_prompt

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}


def test_system_and_developer_messages_are_taken_apart() -> None:
    messages = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
    ]
    assert anthropic_prompt(messages) == {"system": "A\n\nB", "messages": [{"role": "user", "content": "hi"}]}


def test_system_is_absent_without_a_system_message() -> None:
    assert anthropic_prompt([{"role": "user", "content": "hi"}]).keys() == {"messages"}


def test_system_keeps_its_cache_control() -> None:
    cached = {"role": "system", "content": "A", "cache_control": {"type": "ephemeral"}}
    assert anthropic_prompt([cached])["system"] == [
        {"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}
    ]


def test_tool_calls_and_their_results_become_blocks() -> None:
    messages = [
        {"role": "assistant", "content": "so", "tool_calls": [CALL, {**CALL, "id": "c2"}], "name": "n"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "and?"},
    ]
    assert anthropic_prompt(messages)["messages"] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "x"}},
                {"type": "tool_use", "id": "c2", "name": "look", "input": {"at": "x"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "two"}]},
            ],
        },
        {"role": "user", "content": "and?"},
    ]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://x.example/a.png", {"type": "url", "url": "https://x.example/a.png"}),
        ("data:image/png;base64,QUJD", {"type": "base64", "media_type": "image/png", "data": "QUJD"}),
    ],
)
def test_images_become_anthropic_images(url: str, source: dict[str, str]) -> None:
    part = {"type": "image_url", "image_url": {"url": url}, "cache_control": {"type": "ephemeral"}}
    assert anthropic_prompt([{"role": "user", "content": [part]}])["messages"][0]["content"] == [
        {"type": "image", "source": source, "cache_control": {"type": "ephemeral"}}
    ]


def test_parts_of_an_unknown_type_go_on_as_they_are() -> None:
    part = {"type": "document", "source": {"type": "file", "file_id": "f"}}
    message = {"role": "user", "content": [part], "new": 1}
    assert anthropic_prompt([message])["messages"] == [message]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "function", "content": "x"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": 5},
        {"role": "user", "content": ["x"]},
        {"role": "user", "content": [{"type": "input_audio"}]},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]},
        {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
        {"role": "tool", "content": "x"},
        {"role": "tool", "content": 5, "tool_call_id": "c"},
        {"role": "assistant", "tool_calls": 5},
        {"role": "assistant", "tool_calls": ["x"]},
        {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]},
        {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[1]"}}]},
        {"content": "x"},
        "text",
    ],
)
def test_render_error_for_what_anthropic_has_no_place_for(message: Any) -> None:
    with pytest.raises(RenderError):
        anthropic_prompt([message])
