"""Prompts of many kinds and scripts come through the service, the cache and the snapshot byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

from scope_async import ScopeClient
from scope_async.local import LocalScope
from tests.fakes.prompt_corpus import SCRIPTS, chat_corpus, corpus

TEXTS, CHATS = corpus(), chat_corpus()


def test_corpus_is_large_and_diverse() -> None:
    assert len(TEXTS) + len(CHATS) >= 300
    assert len(SCRIPTS) >= 20
    assert len(set(TEXTS.values())) == len(TEXTS)


async def test_corpus_comes_through_byte_for_byte(tmp_path: Path) -> None:
    names = [*TEXTS, *CHATS]
    options = {"snapshot_path": tmp_path / "snapshot.json", "max_retries": 0}
    async with LocalScope() as local:
        for name, content in TEXTS.items():
            await local.add_prompt(name, content)
        for name, messages in CHATS.items():
            await local.add_prompt(name, messages, prompt_type="chat")
        addresses = {"base_url": local.url, "auth_api_url": local.url}
        credentials = local.credentials
        async with ScopeClient(credentials, **addresses, **options) as scope:
            fetched = await scope.get_prompt_versions(names)
            cached = {name: await scope.get_prompt_version(name) for name in names}
    # Nothing listens there any more.
    async with ScopeClient(credentials, **addresses, **options) as scope:
        saved = {name: await scope.get_prompt_version(name) for name in names}
    assert all(version.is_stale for version in saved.values())
    for versions in (fetched, cached, saved):
        for name, content in TEXTS.items():
            version = versions[name]
            assert version.content.encode() == content.encode(), name
            assert version.raw["content"] == content, name
            assert json.loads(version.to_json())["content"] == content, name
            for _ in range(3):
                assert version.render(name="{{name}}") == content, name
                assert version.render(name="Ω") == content.replace("{{name}}", "Ω"), name
        for name, messages in CHATS.items():
            assert versions[name].render_messages(name="{{name}}") == messages, name
