"""Prompts from files and mappings at the start of Local Scope."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scope_async.errors import ConfigurationError
from scope_async.local import LocalScope
from tests.integration.local.raw_client import RawClient

FRONT = """---
# what a person writes
tags: [a, 'b c', "d"]
prompt_type: text
metadata:
  model: claude
  temperature: 0.2
  nested: {"x": 1}
  quoted: 'it: is'
---
Hello, {{name}}!
---
not front matter
"""


async def all_bodies(raw_client: RawClient, *names: str) -> list[dict[str, Any]]:
    token = await raw_client.token()
    return [(await raw_client.prompt(token, f"{name}/production")).json for name in names]


async def test_mapping_becomes_prompts(session):
    messages = [{"role": "user", "content": "hi"}]
    prompts: dict[str, Any] = {"greeting": "Hello", "chat": messages}
    async with LocalScope(prompts=prompts) as local:
        greeting, chat = await all_bodies(RawClient(local, session), "greeting", "chat")
    assert (greeting["content"], greeting["prompt_type"]) == ("Hello", "text")
    assert (chat["content"], chat["prompt_type"]) == (messages, "chat")


async def test_folder_of_markdown_and_json_becomes_prompts(tmp_path: Path, session):
    (tmp_path / "team").mkdir()
    (tmp_path / "plain.md").write_text("Just text\n\n--- and a rule\n")
    (tmp_path / "team" / "front.md").write_text(FRONT)
    (tmp_path / "a%3Ab.json").write_text(json.dumps({"content": "j", "metadata": None, "tags": ["x"]}))
    (tmp_path / "named.json").write_text(
        json.dumps(
            {"name": "other", "content": [{"role": "user", "content": "{{q}}"}], "is_production": True}
        )
    )
    (tmp_path / "draft.json").write_text(json.dumps({"content": "d", "status": "draft"}))
    (tmp_path / "notes.txt").write_text("ignored")
    (tmp_path / ".hidden.md").write_text("ignored")
    async with LocalScope(prompts=tmp_path) as local:
        raw_client = RawClient(local, session)
        plain, fronted, coded, other, draft = await all_bodies(
            raw_client, "plain", "team%2Ffront", "a%3Ab", "other", "draft"
        )
        assert len((await local.export_state())["prompts"]) == 5
    assert plain["content"] == "Just text\n\n--- and a rule\n"
    assert fronted["content"] == "Hello, {{name}}!\n---\nnot front matter\n"
    assert fronted["tags"] == ["a", "b c", "d"]
    assert fronted["metadata"] == {
        "model": "claude",
        "temperature": 0.2,
        "nested": {"x": 1},
        "quoted": "it: is",
    }
    assert (coded["content"], coded["tags"]) == ("j", ["x"])
    assert (other["prompt_type"], other["variables"]) == ("chat", ["q"])
    assert draft["code"] == "no_production_version"


async def test_json_of_the_api_becomes_a_prompt(tmp_path: Path, session):
    async with LocalScope(prompts={"greeting": "Hello, {{name}}!"}) as local:
        (body,) = await all_bodies(RawClient(local, session), "greeting")
    (tmp_path / "greeting.json").write_text(json.dumps(body))
    async with LocalScope(prompts=str(tmp_path)) as local:
        (again,) = await all_bodies(RawClient(local, session), "greeting")
    assert again["content"] == body["content"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.md", "---\ntags: []\nno: end", "closing"),
        ("a.md", "---\nno colon\n---\n", "line 2"),
        ("a.md", "---\n  x: 1\n---\n", "line 2"),
        ("a.md", "---\ntags: 5\n---\nx", "tags"),
        ("a.md", "---\nmetadata: 5\n---\nx", "metadata"),
        ("a.md", "---\nstatus: old\n---\nx", "status"),
        ("a.json", "{", "Expecting"),
        ("a.json", "[]", "object"),
        ("a.json", "{}", "content"),
        ("a.json", '{"content": "x", "prompt_type": "image"}', "prompt_type"),
    ],
)
async def test_invalid_file_is_named_and_nothing_starts(tmp_path: Path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=said) as refused:
        await LocalScope(prompts=tmp_path).start()
    assert name in str(refused.value)


async def test_binary_file_and_missing_folder_are_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        await LocalScope(prompts=tmp_path / "nowhere").start()
    (tmp_path / "a.md").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"a\.md"):
        await LocalScope(prompts=tmp_path).start()


async def test_restart_adds_only_changed_prompts(tmp_path: Path):
    prompts = {"same": "x", "changed": "x"}
    async with LocalScope(tmp_path / "scope.db", prompts=prompts):
        pass
    async with LocalScope(tmp_path / "scope.db", prompts={**prompts, "changed": "y"}) as local:
        state = await local.export_state()
    assert {prompt["name"]: len(prompt["versions"]) for prompt in state["prompts"]} == {
        "same": 1,
        "changed": 2,
    }
