from __future__ import annotations

import asyncio
import json
import logging
import stat
import threading
from pathlib import Path

import anyio
import pytest

from scope_async import ScopeClient
from scope_async.errors import ConnectionError, NoProductionVersionError
from scope_async.prompts import service as api
from scope_async.prompts.cache.snapshot_file import read_snapshot
from tests.fakes.exchange import ADDRESSES, CREDENTIALS
from tests.fakes.transport import prompt_service

DOWN = ConnectionError("no route")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "prompts.json"


async def read(path):
    return await asyncio.to_thread(read_snapshot, path)


async def filled(path, *names, **options):
    async with prompt_service(snapshot_path=path, **options) as served:
        for name in names or ("p",):
            await served.get(name)


async def test_snapshot_serves_a_process_that_starts_in_an_outage(path):
    await filled(path)
    async with prompt_service(snapshot_path=str(path)) as served:
        served.transport.failure = DOWN
        version = await served.get("p", fallback="never")
        assert (version.version_number, version.is_stale, version.is_fallback) == (1, True, False)
        assert version.render(x=1) == "p 1 1"
        await served.get("p")
        assert len(served.transport.paths) == 1
        with pytest.raises(ConnectionError):
            await served.get("p", label="latest")
        with pytest.raises(ConnectionError):
            await served.get("unknown")


async def test_snapshot_is_served_without_waiting_in_a_known_outage(path):
    await filled(path)
    async with prompt_service(snapshot_path=str(path)) as served:
        served.transport.failure = DOWN
        await served.get("p")
        served.clock.advance(1)
        served.transport.gate.clear()
        for _ in range(3):
            assert (await served.get("p")).is_stale
            await served.settle()
        assert served.transport.retries == [None, 0]
        served.transport.gate.set()


async def test_snapshot_file_is_read_once_for_concurrent_callers(path, monkeypatch):
    names = [f"p{index}" for index in range(20)]
    await filled(path, *names)
    reads = []

    def counted(*args):
        reads.append(args)
        return read_snapshot(*args)

    monkeypatch.setattr("scope_async.prompts.cache.snapshot.read_snapshot", counted)
    async with prompt_service(snapshot_path=path) as served:
        served.transport.failure = DOWN
        versions = await asyncio.gather(*(served.get(name) for name in names))
        assert [version.name for version in versions] == names
        assert len(reads) == 1


async def test_caller_is_cancelled_while_the_file_system_hangs(path, monkeypatch):
    reading, hangs = threading.Event(), threading.Event()

    def stuck(*_):
        reading.set()
        hangs.wait()
        return {}

    monkeypatch.setattr("scope_async.prompts.cache.snapshot.read_snapshot", stuck)
    async with prompt_service(snapshot_path=path) as served:
        served.transport.failure = DOWN
        scope = anyio.CancelScope()

        async def ask():
            with scope:
                await served.get("p")

        caller = asyncio.ensure_future(ask())
        await asyncio.to_thread(reading.wait)
        scope.cancel()
        try:
            done, _ = await asyncio.wait((caller,), timeout=10)
            assert done
            assert scope.cancelled_caught
        finally:
            hangs.set()
            await caller


async def test_snapshot_stands_in_with_a_disabled_cache(path):
    await filled(path, cache_enabled=False)
    async with prompt_service(snapshot_path=path, cache_enabled=False) as served:
        served.transport.failure = DOWN
        assert (await served.get("p")).is_stale


async def test_snapshot_keeps_labels_and_ids_apart(path):
    async with prompt_service(snapshot_path=path) as served:
        await served.get("p")
        served.transport.number = 2
        await served.get("p", label="latest")
        await served.get("p", version="v")
    kept = await read(path)
    assert {key: one.version.version_number for key, one in kept.items()} == {
        "p": 1,
        ("p", "label", "latest"): 2,
        ("p", "version", "v"): 2,
    }


async def test_snapshot_file_has_mode_0600_and_is_alone(path):
    await filled(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]
    assert json.loads(path.read_text())["format_version"] == 1


async def test_concurrent_changes_are_written_together(path, monkeypatch):
    writes = []
    monkeypatch.setattr(
        "scope_async.prompts.cache.snapshot.write_snapshot", lambda path, kept: writes.append(len(kept))
    )
    async with prompt_service(snapshot_path=path) as served:
        await served.api.get_many([f"p{index}" for index in range(30)])
        await served.api.flush()
        assert writes[-1] == 30
        assert len(writes) <= 5
        count = len(writes)
        served.clock.advance(400)
        await served.api.get_many([f"p{index}" for index in range(30)])
        await served.api.flush()
        assert len(writes) == count, "what is known already is not written again"


async def test_entries_of_another_process_are_kept(path):
    async with prompt_service(snapshot_path=path) as one, prompt_service(snapshot_path=path) as other:
        await one.get("a")
        await one.api.flush()
        await other.get("b")
        await other.api.flush()
        await one.get("c")
        await one.api.flush()
        assert set(await read(path)) == {"a", "b", "c"}


async def test_404_deletes_the_entry(path):
    await filled(path, "p", "q")
    async with prompt_service(snapshot_path=path) as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.get("p")
    assert set(await read(path)) == {"q"}


async def test_cache_ttl_of_zero_writes_nothing(path):
    async with prompt_service(snapshot_path=path) as served:
        await served.get("p", cache_ttl=0)
    assert not path.exists()


async def test_snapshot_is_bounded(path):
    await filled(path, *(f"p{index}" for index in range(8)), cache_max_entries=5)
    assert set(await read(path)) == {f"p{index}" for index in range(3, 8)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"prompts": []}',
        b'{"format": "scope-async prompt snapshot", "format_version": 2, "prompts": []}',
        b'{"format": "scope-async prompt snapshot", "format_version": 1, "prompts": {}}',
    ],
)
async def test_corrupt_or_foreign_file_is_moved_aside_and_logged(path, content, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    async with prompt_service(snapshot_path=path) as served:
        served.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await served.get("p")
        served.transport.failure = None
        await served.get("p")
    assert "moved to" in caplog.text
    assert path.with_name("prompts.json.corrupt").read_bytes() == content
    assert set(await read(path)) == {"p"}


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"name": "", "by": "label", "wanted": "production", "stored_at": 0, "document": {}}, 5],
)
async def test_unreadable_entry_is_skipped(path, entry, caplog):
    await filled(path, "p")
    content = json.loads(path.read_text())
    content["prompts"].insert(0, entry)
    path.write_text(json.dumps(content))
    assert set(await read(path)) == {"p"}
    assert "entry that cannot be read" in caplog.text


async def test_unwritable_path_is_logged_once_and_fails_no_call(tmp_path, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("")
    async with prompt_service(snapshot_path=blocker / "prompts.json") as served:
        for name in ("a", "b", "c"):
            await served.get(name)
            await served.api.flush()
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1


async def test_close_during_a_write_loses_nothing(path):
    async with prompt_service(snapshot_path=path) as served:
        await served.get("a")
        await asyncio.sleep(0)
        await served.get("b")
        served.api.close()
        await served.background.aclose()
        await served.api.flush()
        assert set(await read(path)) == {"a", "b"}


async def test_snapshot_file_holds_what_the_service_said_and_no_more(path, caplog):
    caplog.set_level(logging.DEBUG)
    await filled(path)
    (entry,) = json.loads(path.read_text())["prompts"]
    assert set(entry) == {"name", "by", "wanted", "stored_at", "document"}
    assert (entry["name"], entry["by"], entry["wanted"]) == ("p", "label", "production")
    assert entry["document"]["version_id"] == "p-1"


async def test_close_waits_at_most_its_limit_for_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(api, "_FLUSH_LIMIT", 0.05)
    monkeypatch.setattr("scope_async.prompts.cache.snapshot.write_snapshot", lambda *_: gate.wait(20))
    scope = ScopeClient(CREDENTIALS, snapshot_path=tmp_path / "kept.json", **ADDRESSES)
    snapshot = scope._prompts._snapshot
    assert snapshot is not None
    snapshot._changed = True
    try:
        await scope.aclose()
        assert "not written after" in caplog.text
    finally:
        gate.set()
