from __future__ import annotations

import json

import pytest

from scope_async.prompts.content import comparable_content, content_renderer, variables_in
from scope_async.rendering.renderers import ChatRenderer, TextRenderer

CHAT = json.dumps([{"role": "user", "content": "{{b}} {{a}}"}])


@pytest.mark.parametrize(
    ("content", "type", "kind"),
    [
        (CHAT, "chat", ChatRenderer),
        (CHAT, "text", TextRenderer),
        (CHAT, "newer", ChatRenderer),
        ("{{a}}", "chat", TextRenderer),
        ("{{a}}", "newer", TextRenderer),
    ],
)
def test_content_renderer_reads_messages_where_there_are_some(content: str, type: str, kind: type) -> None:
    assert isinstance(content_renderer(content, type, ()), kind)


def test_variables_in_are_in_their_order() -> None:
    assert variables_in(CHAT, "chat") == ("b", "a")


def test_comparable_content_of_messages_has_lines() -> None:
    assert comparable_content(CHAT, "text") == CHAT
    assert json.loads(comparable_content(CHAT, "chat")) == json.loads(CHAT)
    assert comparable_content(CHAT, "chat").count("\n") > 3
