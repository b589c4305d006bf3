"""Prompts from files and mappings at the start of Local Scope."""

from __future__ import annotations

import json
import os
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


BAD = [
    ("a.md", "---\ntags: []\nno: end", "closing"),
    ("a.md", "---\ntags: [\n---\n", "not YAML"),
    ("a.md", "---\na: 2024-13-45\n---\n", "not YAML"),
    ("a.md", "---\nx: !!set {a, b}\n---\n", "no form in JSON"),
    ("a.md", "---\nx: .nan\n---\n", "JSON"),
    ("a.md", "---\ntags: 5\n---\nx", "tags"),
    ("a.md", "---\nmetadata: 5\n---\nx", "metadata"),
    ("a.md", "---\nstatus: old\n---\nx", "status"),
    ("a.md", "---\nis_production: 'no'\n---\nx", "is_production"),
    ("a.md", "---\nis_production: yes\nstatus: draft\n---\nx", "is_production"),
    ("a.md", "---\nname: 5\n---\nx", "name"),
    ("a.json", "{", "not JSON: Expecting"),
    ("a.json", "[]", "object"),
    ("a.json", "{}", "content"),
    ("a.json", '{"content": 5}', "content"),
    ("a.json", '{"content": "x", "prompt_type": "image"}', "prompt_type"),
    ("a.json", "[" * 100_000, "nested too deeply"),
    ("a%FF.md", "x", "utf-8"),
    ("a.md", "x" * 1_048_577, "1048576 bytes"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD, ids=range(len(BAD)))
async def test_bad_file_is_passed_over_or_refused_if_strict(tmp_path: Path, caplog, name, text, said):
    (tmp_path / name).write_text(text)
    (tmp_path / "good.md").write_text("Good")
    async with LocalScope(prompts=tmp_path) as local:
        assert [draft.name for draft in local.loaded_prompts.drafts] == ["good"]
        ((passed, reason),) = local.loaded_prompts.passed_over
    assert passed == name
    assert said in reason
    assert "1 prompt taken, 1 passed over" in caplog.text
    with pytest.raises(ConfigurationError, match=said) as refused:
        await LocalScope(prompts=tmp_path, strict_prompts=True).start()
    assert name in str(refused.value)


async def test_aliases_that_spell_millions_of_values_are_passed_over(tmp_path: Path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "a.md").write_text("\n".join(["---", *lines, "---", "x"]))
    (tmp_path / "b.md").write_text("---\na: &a [*a]\n---\nx")
    async with LocalScope(prompts=tmp_path) as local:
        reasons = dict(local.loaded_prompts.passed_over)
    assert reasons == {"a.md": "more than 10000 values", "b.md": "nested too deeply"}


@pytest.mark.parametrize(
    "text",
    [
        "---\nYou are an assistant.\n---\nAnswer: {{q}}",
        "---\nJust a rule at the top\n",
        "---",
        "--- title ---\nx",
        "---\n- a\n- b\n---\nx",
        "----\nname: x\n----\n",
        "text\n---\nname: x\n---\n",
    ],
)
async def test_prompt_may_begin_with_a_rule(tmp_path: Path, session, text):
    (tmp_path / "a.md").write_text(text)
    async with LocalScope(prompts=tmp_path, strict_prompts=True) as local:
        (body,) = await all_bodies(RawClient(local, session), "a")
    assert (body["content"], body["metadata"]) == (text, None)


async def test_file_keeps_its_line_ends_and_loses_its_byte_order_mark(tmp_path: Path, session):
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf---\r\ntags: x, y\r\n---\r\n\r\nOne\r\ntwo\rthree\n")
    (tmp_path / "b.json").write_bytes(b'\xef\xbb\xbf{"content": "x"}')
    async with LocalScope(prompts=tmp_path, strict_prompts=True) as local:
        a, b = await all_bodies(RawClient(local, session), "a", "b")
    assert (a["content"], a["tags"], b["content"]) == ("One\r\ntwo\rthree\n", ["x", "y"], "x")


async def test_front_matter_keeps_unknown_and_nested_fields_in_metadata(tmp_path: Path, session):
    front = """---
model: claude
since: 2024-01-31
limits: {tokens: [1, 2.5, null], deep: {1: true}}
text: |
  two
  lines
metadata:
  model: nearer
version: 7
---
Hello
"""
    (tmp_path / "a.md").write_text(front)
    async with LocalScope(prompts=tmp_path, strict_prompts=True) as local:
        (body,) = await all_bodies(RawClient(local, session), "a")
    assert body["metadata"] == {
        "model": "nearer",
        "since": "2024-01-31",
        "limits": {"tokens": [1, 2.5, None], "deep": {"1": True}},
        "text": "two\nlines\n",
    }
    assert body["version"] == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("is_production: no", "draft"),
        ("is_production: false\nstatus: published", "draft"),
        ("is_production: yes", "published"),
        ("status: draft", "draft"),
        ("status: archived", "archived"),
        ("", "published"),
    ],
)
async def test_status_of_a_file_is_that_of_its_version(tmp_path: Path, session, fields, status):
    (tmp_path / "a.md").write_text(f"---\n{fields}\n---\nx")
    async with LocalScope(prompts=tmp_path, strict_prompts=True) as local:
        raw_client = RawClient(local, session)
        assert (await raw_client.prompt(await raw_client.token(), "a/latest")).json["status"] == status


async def test_files_of_one_name_are_all_passed_over(tmp_path: Path):
    for name in ("a.md", "a.json", "caf\u00e9.md", "cafe\u0301.md", "b.md"):
        (tmp_path / name).write_text('{"content": "x"}' if name.endswith("json") else "x")
    async with LocalScope(prompts=tmp_path) as local:
        assert [draft.name for draft in local.loaded_prompts.drafts] == ["b"]
        assert len(local.loaded_prompts.passed_over) == 4
        assert "several files: a.json, a.md" in str(local.loaded_prompts)


async def test_folder_is_read_without_its_links_out_of_it_and_special_files(tmp_path: Path):
    folder = tmp_path / "prompts"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data" / "inside.md").write_text("x")
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (folder / "inside.md").symlink_to("..data/inside.md")  # as Kubernetes mounts them
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "folder").symlink_to(tmp_path / "elsewhere")
    (folder / "nowhere.md").symlink_to("nothing.md")
    (folder / "loop.md").symlink_to("loop.md")
    (folder / "notes.txt").write_text("x")
    (folder / "directory.md").mkdir()
    os.mkfifo(folder / "pipe.md")
    async with LocalScope(prompts=folder) as local:
        assert [draft.name for draft in local.loaded_prompts.drafts] == ["inside"]
        reasons = dict(local.loaded_prompts.passed_over)
    assert reasons["out.md"] == "a link out of the folder"
    assert reasons["folder"] == "a link to a folder"
    assert reasons["pipe.md"] == "not a regular file"
    assert (reasons["..data"], reasons["notes.txt"]) == ("hidden", "neither .md nor .json")
    assert {"nowhere.md", "loop.md"} < reasons.keys()


async def test_missing_folder_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"nowhere does not exist; give a folder"):
        await LocalScope(prompts=tmp_path / "nowhere").start()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file is not a folder"):
        await LocalScope(prompts=tmp_path / "file").start()


async def test_restart_adds_no_version_to_what_was_changed_in_the_store(tmp_path: Path):
    path, prompts = tmp_path / "scope.db", {"greeting": "from the file"}
    async with LocalScope(path, prompts=prompts) as local:
        await local.add_prompt("greeting", "from a person")
    for _ in range(2):
        async with LocalScope(path, prompts=prompts) as local:
            (prompt,) = (await local.export_state())["prompts"]
            assert [version["status"] for version in prompt["versions"]] == ["archived", "published"]
    async with LocalScope(path, prompts={"greeting": "from the changed file"}) as local:
        assert (await local.history("greeting"))[0].version_number == 3
    async with LocalScope(path, prompts=prompts) as local:
        assert (await local.history("greeting"))[0].version_number == 4
        await local.reset()
        assert len(await local.history("greeting")) == 1


async def test_file_that_is_published_later_promotes_its_draft(tmp_path: Path):
    path, file = tmp_path / "scope.db", tmp_path / "prompts" / "a.md"
    file.parent.mkdir()
    for status in ("draft", "published"):
        file.write_text(f"---\nstatus: {status}\n---\nx")
        async with LocalScope(path, prompts=file.parent) as local:
            (version,) = (await local.export_state())["prompts"][0]["versions"]
            assert version["status"] == status


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
