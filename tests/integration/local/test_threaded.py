"""A Local Scope on a thread of its own, used without and with an event loop."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from typing import Any

import pytest

from scope_async import ScopeClient
from scope_async.errors import ConfigurationError, ConflictError, TimeoutError
from scope_async.local import LocalScope, ThreadedLocalScope


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def fetch(local: ThreadedLocalScope, path: str = "greeting/production") -> int:
    headers = {"Authorization": f"Bearer {local.viewer_token}"}
    request = urllib.request.Request(f"{local.url}/api/v1/prompts/{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return int(json.load(reply)["version"])


def test_every_method_works_without_an_event_loop() -> None:
    with LocalScope(prompts={"greeting": "one"}) as local:
        assert local.loaded_prompts.drafts[0].name == "greeting"
        draft = local.add_prompt("greeting", "two", publish=False)
        local.edit("greeting", draft.id, "three")
        local.promote("greeting", draft.id)
        assert fetch(local) == 2
        first = local.history("greeting")[-1]
        with pytest.raises(ConflictError):
            local.archive("greeting", draft.id)
        assert local.unarchive("greeting", first.version_id).status == "draft"
        key = local.create_key("other")
        new = local.rotate_key(key.api_key, overlap=0)
        assert local.revoke_key(new.api_key).revoked_at is not None
        state = local.export_state()
        local.reset()
        assert (fetch(local), local.journal.count("prompt")) == (1, 1)
        local.import_state(state)
        assert fetch(local) == 2
        assert local.settings_url.startswith(local.url)
        assert local.credentials.org_id == local.org_id
        assert local.editor_token != local.admin_token
    assert "scope-async local" not in threads()


def test_journal_is_waited_for_without_an_event_loop() -> None:
    with LocalScope(prompts={"greeting": "one"}) as local, local.journal.only("prompt"):
        requests = [threading.Thread(target=fetch, args=(local,)) for _ in range(5)]
        for request in requests:
            request.start()
        local.journal.wait_for_arrival("prompt", 5, timeout=60)
        assert local.journal.wait_for("prompt", 5, timeout=60).status == 200
        with pytest.raises(TimeoutError, match="5 of 6"):
            local.journal.wait_for("prompt", 6, timeout=0.01)
        for request in requests:
            request.join()
        assert (local.journal.arrivals("prompt"), local.journal.unexpected) == (5, ())
        assert len(local.journal.entries) == 5
        local.journal.clear()
        assert local.journal.count() == 0


async def test_methods_are_awaited_where_an_event_loop_runs() -> None:
    local: Any = await asyncio.to_thread(LocalScope().__enter__)  # typed for code without a loop
    try:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        addresses = {"base_url": local.url, "auth_api_url": local.url}
        async with ScopeClient(local.credentials, clock=local.clock, **addresses) as scope:
            assert await scope.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"
            waiting = asyncio.ensure_future(local.journal.wait_for("exchange", 2, timeout=60))
            local.clock.advance(3600)
            await scope.get_prompt_version("greeting", cache=False)
            assert (await waiting).status == 200
    finally:
        await asyncio.to_thread(local.close)


def test_faults_and_clock_are_used_from_other_threads() -> None:
    with LocalScope(prompts={"greeting": "one"}) as local:
        slow = local.faults.latency("prompt", 3600)
        request = threading.Thread(target=fetch, args=(local,))
        request.start()
        local.journal.wait_for_arrival("prompt", timeout=60)
        local.clock.advance(3600)
        request.join(20)
        assert (request.is_alive(), slow.hits) == (False, 1)


def test_error_at_the_start_ends_the_thread(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"), LocalScope(prompts=tmp_path / "nowhere"):
        pytest.fail("did not start")
    assert "scope-async local" not in threads()


def test_error_in_the_block_is_raised_unchanged_and_close_is_idempotent() -> None:
    local = LocalScope()
    with pytest.raises(KeyError), local as threaded:
        raise KeyError
    threaded.close()
    assert "scope-async local" not in threads()
    with pytest.raises(ConfigurationError, match="make another"):
        local.__enter__()
