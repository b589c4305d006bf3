from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from scope_async import ScopeClient
from scope_async.errors import ConnectionError, NoProductionVersionError
from scope_async.prompts import service as api
from scope_async.prompts.cache import snapshot as snapshot_module
from scope_async.prompts.cache import snapshot_store
from scope_async.prompts.cache.snapshot import WRITE_INTERVAL
from scope_async.prompts.cache.snapshot_format import (
    RecordId,
    SnapshotBinding,
    SnapshotRecord,
    parse_records,
    read_entry,
)
from scope_async.prompts.cache.snapshot_store import SnapshotStore
from scope_async.telemetry.events import PromptFetched
from tests.fakes.exchange import ADDRESSES, CREDENTIALS
from tests.fakes.transport import prompt_service

DOWN = ConnectionError("no route")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "prompts.json"


MINE = SnapshotBinding("http://localhost:1/api/v1", "org_1", "production")


async def read(path, binding=MINE):
    """Return the versions of one binding, by name, label or version, and which."""
    content = await asyncio.to_thread(path.read_bytes)
    records = parse_records(content, adopt=binding, now=float("inf"), report=pytest.fail)
    return {
        f"{id.name} {id.by} {id.selector}": read_entry(id.name, record, "error").version
        for id, record in records.items()
        if id.binding == binding and record.document is not None
    }


def names(versions):
    return {key.split()[0] for key in versions}


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
    prompts = [f"p{index}" for index in range(20)]
    await filled(path, *prompts)
    reads = []
    original = SnapshotStore.read

    def counted(self, binding):
        reads.append(binding)
        return original(self, binding)

    monkeypatch.setattr(SnapshotStore, "read", counted)
    async with prompt_service(snapshot_path=path) as served:
        served.transport.failure = DOWN
        versions = await asyncio.gather(*(served.get(name) for name in prompts))
        assert [version.name for version in versions] == prompts
        assert reads == [MINE]


@pytest.fixture
def hanging_file_system(monkeypatch):
    hangs, reads = threading.Event(), []

    def stuck(*args):
        reads.append(args)
        hangs.wait(20)
        return {}

    monkeypatch.setattr(SnapshotStore, "read", stuck)
    yield reads
    hangs.set()


async def test_caller_is_cancelled_while_the_file_system_hangs(path, hanging_file_system):
    async with prompt_service(snapshot_path=path) as served:
        caller = asyncio.ensure_future(served.get("p"))
        while not hanging_file_system:
            await asyncio.sleep(0.001)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller


async def test_file_system_that_hangs_delays_no_answer_for_long_and_holds_up_one_thread(
    path, hanging_file_system, monkeypatch
):
    monkeypatch.setattr(snapshot_module, "_LOAD_TIMEOUT", 0.01)
    async with prompt_service(snapshot_path=path) as served:
        assert await asyncio.gather(*(served.number(f"p{index}") for index in range(5))) == [1] * 5
        served.transport.failure = DOWN
        assert (await served.get("q", fallback="x")).is_fallback
        assert len(hanging_file_system) == 1


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
    assert {key: version.version_number for key, version in kept.items()} == {
        "p label production": 1,
        "p label latest": 2,
        "p version v": 2,
    }


async def test_snapshot_file_has_mode_0600_and_is_alone(path):
    await filled(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]
    assert json.loads(path.read_text())["format_version"] == 2


@pytest.fixture
def writes(monkeypatch):
    """The sizes of the files that were written."""
    sizes = []
    original = snapshot_store.replace_file

    def counted(path, content, **options):
        sizes.append(content.count(b'"stored_at"'))
        return original(path, content, **options)

    monkeypatch.setattr(snapshot_store, "replace_file", counted)
    return sizes


async def written(served, writes, count):
    while len(writes) < count or served.api._snapshot._write_lock.locked():
        await asyncio.sleep(0.001)


async def test_concurrent_changes_are_written_together(path, writes):
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


async def test_file_is_written_once_in_an_interval_and_at_close(path, writes):
    async with prompt_service(snapshot_path=path) as served:
        await served.get("a")
        await written(served, writes, 1)
        for name in "bcd":
            await served.get(name)
            await served.settle()
        served.clock.advance(WRITE_INTERVAL - 0.1)
        await served.settle()
        assert writes == [1]
        served.clock.advance(0.1)
        await written(served, writes, 2)
        await served.get("e")
        await served.settle()
        assert writes == [1, 4]
    assert writes == [1, 4, 5]


async def test_entries_of_another_process_are_kept(path):
    async with prompt_service(snapshot_path=path) as one, prompt_service(snapshot_path=path) as other:
        await one.get("a")
        await one.api.flush()
        await other.get("b")
        await other.api.flush()
        await one.get("c")
        await one.api.flush()
        assert names(await read(path)) == {"a", "b", "c"}


async def test_404_deletes_the_entry(path):
    await filled(path, "p", "q")
    async with prompt_service(snapshot_path=path) as served:
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.get("p")
    assert names(await read(path)) == {"q"}


async def test_cache_ttl_of_zero_writes_nothing(path):
    async with prompt_service(snapshot_path=path) as served:
        await served.get("p", cache_ttl=0)
    assert not path.exists()


async def test_snapshot_is_bounded(path):
    await filled(path, *(f"p{index}" for index in range(8)), cache_max_entries=5)
    assert names(await read(path)) == {f"p{index}" for index in range(3, 8)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"prompts": []}',
        b'{"format": "scope-async prompt snapshot", "format_version": 3, "prompts": []}',
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
    assert names(await read(path)) == {"p"}


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"name": "", "by": "label", "wanted": "production", "stored_at": 0, "document": {}}, 5],
)
async def test_unreadable_entry_is_skipped(path, entry, caplog):
    await filled(path, "p")
    content = json.loads(path.read_text())
    content["prompts"].insert(0, entry)
    path.write_text(json.dumps(content))
    async with prompt_service(snapshot_path=path) as served:
        served.transport.failure = DOWN
        assert (await served.get("p")).is_stale
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
        assert names(await read(path)) == {"a", "b"}


async def test_snapshot_file_holds_what_the_service_said_and_no_more(path, caplog):
    caplog.set_level(logging.DEBUG)
    await filled(path)
    (entry,) = json.loads(path.read_text())["prompts"]
    binding = {"service": "http://localhost:1/api/v1", "organization": "org_1", "environment": "production"}
    assert binding.items() <= entry.items()
    assert set(entry) - set(binding) == {"name", "by", "wanted", "stored_at", "document"}
    assert (entry["name"], entry["by"], entry["wanted"]) == ("p", "label", "production")
    assert entry["document"]["version_id"] == "p-1"


async def test_close_waits_at_most_its_limit_for_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(api, "_FLUSH_TIMEOUT", 0.05)
    monkeypatch.setattr(SnapshotStore, "write", lambda *_: gate.wait(20))
    scope = ScopeClient(CREDENTIALS, snapshot_path=tmp_path / "kept.json", **ADDRESSES)
    snapshot = scope._prompts._snapshot
    assert snapshot is not None
    snapshot._changes = {RecordId(MINE, "p", "label", "production"): SnapshotRecord(1.0, None)}
    try:
        await scope.aclose()
        assert "not written after" in caplog.text
    finally:
        gate.set()


OTHERS = {
    "organization": ({}, "org_2"),
    "environment": ({"environment": "staging"}, "org_1"),
    "service": ({"base_url": "http://localhost:2"}, "org_1"),
}


@pytest.mark.parametrize("difference", OTHERS)
async def test_entry_is_served_to_its_own_service_organization_and_environment_alone(path, difference):
    options, organization = OTHERS[difference]
    await filled(path)
    async with prompt_service(snapshot_path=path, **options) as other:
        other.organization = organization
        other.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await other.get("p")
        other.transport.failure, other.transport.number = None, 2
        await other.get("p", cache=False)
    theirs = SnapshotBinding(f"{other.config.base_url}/api/v1", organization, other.config.environment)
    for binding, number in [(MINE, 1), (theirs, 2)]:
        assert [version.version_number for version in (await read(path, binding)).values()] == [number]


async def test_organization_that_changes_gets_entries_of_its_own(path):
    await filled(path)
    async with prompt_service(snapshot_path=path, cache_enabled=False) as served:
        served.transport.failure = DOWN
        assert (await served.get("p")).is_stale
        served.organization = "org_2"
        with pytest.raises(ConnectionError):
            await served.get("p")
        served.organization = "org_1"
        assert (await served.get("p")).is_stale


async def test_snapshot_serves_and_stores_nothing_while_the_organization_is_unknown(path):
    await filled(path)
    before = path.read_bytes()
    async with prompt_service(snapshot_path=path) as served:
        served.organization = None
        served.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await served.get("p")
        served.transport.failure = None
        await served.get("q")
    assert path.read_bytes() == before


async def test_newer_entry_of_another_process_is_kept(path):
    async with prompt_service(snapshot_path=path) as old, prompt_service(snapshot_path=path) as new:
        await old.get("p")
        await old.api.flush()
        new.clock.advance(10)
        new.transport.number = 2
        await new.get("p")
        await new.api.flush()
        old.clock.advance(10)
        await old.get("q")
        await old.api.flush()
        assert {key: v.version_number for key, v in (await read(path)).items()} == {
            "q label production": 1,
            "p label production": 2,
        }
        old.clock.advance(400)
        await old.get("p")
        await old.settle()
        await old.api.flush()
        assert (await read(path))["p label production"].version_number == 1, "a rollback of the service"


async def test_prompt_that_is_gone_is_not_brought_back_by_another_process(path):
    async with prompt_service(snapshot_path=path) as one, prompt_service(snapshot_path=path) as other:
        await one.get("p")
        await one.api.flush()
        other.clock.advance(10)
        other.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError):
            await other.get("p")
        await other.api.flush()
        await one.get("q")
        await one.api.flush()
        assert names(await read(path)) == {"q"}


async def test_file_that_was_removed_is_written_again_in_full(path):
    async with prompt_service(snapshot_path=path) as served:
        await served.get("p")
        await served.api.flush()
        path.unlink()
        await served.get("q")
    assert names(await read(path)) == {"p", "q"}


def full(_):
    raise OSError(28, "No space left on device")


async def test_write_that_fails_is_tried_again(path, monkeypatch):
    async with prompt_service(snapshot_path=path) as served:
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            await served.get("p")
            await served.api.flush()
            assert not path.exists()
    assert names(await read(path)) == {"p"}


async def test_snapshot_keeps_the_etag_for_the_next_process(path):
    async with prompt_service(snapshot_path=path) as served:
        served.transport.etags = True
        await served.get("p")
    async with prompt_service(snapshot_path=path) as served:
        served.transport.etags = True
        version = await served.get("p")
        assert (version.version_number, version.is_stale) == (1, False)
        assert [event.not_modified for event in served.seen(PromptFetched)] == [True]
        assert (await served.get("p")) is version


async def test_etag_of_another_api_key_is_not_sent_by_the_next_process(path):
    async with prompt_service(snapshot_path=path) as served:
        served.transport.etags = True
        await served.get("p")
    async with prompt_service(snapshot_path=path) as served:
        served.transport.etags = True
        served.tokens.api_key = "key_2"
        await served.get("p")
        assert "If-None-Match" not in served.transport.requests[0].headers


@pytest.mark.parametrize("options", [{}, {"cache_enabled": False}])
async def test_reader_with_an_entry_waits_at_most_stale_timeout(path, options):
    await filled(path)
    async with prompt_service(snapshot_path=path, **options) as served:
        served.transport.gate.clear()
        call = asyncio.create_task(served.get("p"))
        while not served.transport.requests:
            await asyncio.sleep(0.001)
        served.clock.advance(1.9)
        await served.settle()
        assert not call.done()
        served.clock.advance(0.1)
        assert (await call).is_stale


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
async def test_snapshot_leaves_a_file_alone_that_is_not_regular_with_one_log_line(path, make, caplog):
    path.parent.mkdir()
    make(path)
    before = path.lstat().st_ino
    async with prompt_service(snapshot_path=path) as served:
        for name in "abc":
            await served.get(name)
            await served.api.flush()
        served.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await served.get("d")
    assert path.lstat().st_ino == before
    said = [
        record for record in caplog.records if "only a regular file is read or replaced" in record.message
    ]
    assert len(said) == 1


async def test_entry_that_cannot_be_read_by_this_client_survives(path, caplog):
    await filled(path, "p", "q")
    content = json.loads(path.read_text())
    content["prompts"][0]["document"] = {"of": "a later client"}
    path.write_text(json.dumps(content))
    async with prompt_service(snapshot_path=path) as served:
        served.transport.failure = DOWN
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await served.get("p")
        assert (await served.get("q")).is_stale
        served.transport.failure = None
        await served.get("r")
    assert len([record for record in caplog.records if "cannot be read" in record.getMessage()]) == 1
    kept = json.loads(path.read_text())["prompts"]
    assert {"of": "a later client"} in [item["document"] for item in kept]
