"""A folder that is full, read-only, damaged, or not what it seems."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing

import pytest

from scope_async.stores import FileStore, Lease
from scope_async.stores.file import database, sqlite_file
from tests.integration.stores.test_protocol import acquire, write

NAMESPACE = "ab" * 20


@pytest.fixture
async def file_store(tmp_path):
    store = FileStore(tmp_path / "store")
    yield store
    await store.aclose()


def database_file(store: FileStore):
    (found,) = store.path.glob("scope-async-*.db")
    return found


async def test_folder_and_files_are_for_their_owner_alone(file_store) -> None:
    await write(file_store, NAMESPACE, "aa")
    assert file_store.path.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in file_store.path.iterdir()} == {0o600}


async def test_folder_that_others_can_write_to_is_refused(tmp_path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="0700"):
        await acquire(FileStore(folder), NAMESPACE, "aa")


@pytest.mark.parametrize("garbage", [b"garbage", b"\0" * 8192, b"SQLite format 3\0" + b"x" * 8000])
async def test_damaged_file_is_replaced(file_store, garbage) -> None:
    await write(file_store, NAMESPACE, "aa")
    database_file(file_store).write_bytes(garbage)
    for _ in range(3):
        try:
            await write(file_store, NAMESPACE, "bb")
            break
        except sqlite3.Error:
            continue
    assert await file_store.get(NAMESPACE, "bb") is not None


async def test_damage_within_the_file_never_gives_a_wrong_answer(file_store) -> None:
    for name in ("aa", "bb", "cc"):
        await write(file_store, NAMESPACE, name, b"x" * 3000)
    path = database_file(file_store)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = os.urandom(len(content) - len(content) // 2)
    path.write_bytes(content)
    for name in ("aa", "bb", "cc"):
        try:
            found = await file_store.get(NAMESPACE, name)
        except sqlite3.Error:
            continue
        assert found is None or isinstance(found.content, bytes)


async def test_file_of_tables_that_are_not_ours_is_replaced(file_store) -> None:
    await write(file_store, NAMESPACE, "aa")
    with sqlite3.connect(database_file(file_store)) as other:
        other.execute("DROP TABLE lease")
    other.close()
    with pytest.raises(sqlite3.Error):
        await acquire(file_store, NAMESPACE, "bb")
    await write(file_store, NAMESPACE, "bb")


@pytest.mark.parametrize("version", [0, 1, 7])
@pytest.mark.parametrize("is_open", [False, True], ids=["found", "copied over an open one"])
async def test_sqlite_file_of_another_program_is_named_and_left_as_it_is(
    file_store, tmp_path, version, is_open
) -> None:
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign, foreign:
        foreign.execute("PRAGMA journal_mode = WAL")
        foreign.execute("CREATE TABLE payroll (name TEXT)")
        foreign.execute(f"PRAGMA user_version = {version}")
    content = (tmp_path / "foreign.db").read_bytes()
    await write(file_store, NAMESPACE, "aa")
    path = database_file(file_store)
    old = path.with_name("scope-async-0123456789abcdef.db")
    if not is_open:
        await file_store.aclose()
        path.unlink()
    for each in (path, old):
        each.write_bytes(content)
    os.utime(old, (0, 0))
    store = file_store if is_open else FileStore(file_store.path)
    if is_open:
        with pytest.raises(sqlite3.Error):
            await acquire(store, NAMESPACE, "bb")
    with pytest.raises(OSError, match=f"{path.name} is a SQLite file of another program"):
        await acquire(store, NAMESPACE, "bb")
    assert set(file_store.path.glob("*.db*")) <= {path, old, path.with_name(f"{path.name}-journal")}
    assert path.read_bytes() == old.read_bytes() == content
    path.unlink()
    await write(store, NAMESPACE, "bb")
    assert old.exists()
    await store.aclose()


async def test_file_that_was_removed_is_made_again(file_store) -> None:
    await write(file_store, NAMESPACE, "aa")
    shutil.rmtree(file_store.path)
    assert await file_store.get(NAMESPACE, "aa") is None
    await write(file_store, NAMESPACE, "aa")


@pytest.mark.parametrize("suffix", ["", "-journal"])
@pytest.mark.parametrize("trick", ["fifo", "symlink", "directory"])
async def test_file_store_opens_only_regular_files(file_store, tmp_path, trick, suffix) -> None:
    await write(file_store, NAMESPACE, "aa")
    path = database_file(file_store)
    path = path.with_name(path.name + suffix)
    path.unlink(missing_ok=True)
    if trick == "fifo":
        os.mkfifo(path)
    elif trick == "symlink":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    async with asyncio.timeout(2):
        with pytest.raises(OSError, match="no regular file"):
            await file_store.get(NAMESPACE, "aa")
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_full_disk_fails_writes_and_still_answers_reads(small_disk) -> None:
    store = FileStore(small_disk / "store")
    await write(store, NAMESPACE, "aa")
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="space"):
        while True:
            filler.write(b"x" * 4096)
    assert await store.get(NAMESPACE, "aa") is not None
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await acquire(store, NAMESPACE, "bb")
    assert await store.get(NAMESPACE, "aa") is not None
    (small_disk / "filler").unlink()
    await write(store, NAMESPACE, "cc")
    await store.aclose()


def remount_read_only(folder) -> None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


async def test_read_only_disk_fails_writes_and_still_answers_reads(small_disk) -> None:
    store = FileStore(small_disk / "store")
    await write(store, NAMESPACE, "aa")
    await store.aclose()
    remount_read_only(small_disk)
    assert await store.get(NAMESPACE, "aa") is not None
    with pytest.raises(sqlite3.OperationalError):
        await acquire(store, NAMESPACE, "bb")
    await store.aclose()
    other = FileStore(small_disk / "another")
    with pytest.raises(OSError, match="Read-only"):
        await other.get(NAMESPACE, "aa")
    await other.aclose()


async def test_disk_that_hangs_holds_up_no_other_work(file_store, monkeypatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(file_store._database, "get", lambda *_: release.wait(10))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await file_store.get(NAMESPACE, "aa")
    release.set()
    await write(file_store, NAMESPACE, "aa")


def test_life_left_is_counted_on_the_clock_of_the_machine(tmp_path, monkeypatch) -> None:
    now = 1000.0
    records = database.FileDatabase(tmp_path / "store", max_entries=9, max_bytes=999, clock=lambda: now)
    lease = records.acquire(NAMESPACE, "aa", owner="ab", duration=5, known="")
    assert isinstance(lease, Lease)
    assert records.put(lease, b"content", lifetime=60, tags=())
    monkeypatch.setattr("time.time", lambda: 0.0)
    now += 59
    found = records.get(NAMESPACE, "aa")
    assert found is not None
    assert found.expires_in == pytest.approx(1)
    now += 2
    assert records.get(NAMESPACE, "aa") is None
    records.close()


async def test_another_run_of_the_machine_begins_with_an_empty_store(tmp_path, monkeypatch) -> None:
    before = FileStore(tmp_path / "store")
    await write(before, NAMESPACE, "aa")
    monkeypatch.setattr(sqlite_file, "boot_id", lambda: "0" * 16)
    after = FileStore(tmp_path / "store")
    assert await after.get(NAMESPACE, "aa") is None
    await before.aclose()
    await after.aclose()


def test_forked_child_uses_a_connection_of_its_own(tmp_path) -> None:
    store = FileStore(tmp_path / "store")
    with asyncio.Runner() as runner:
        runner.run(write(store, NAMESPACE, "aa"))
    child = os.fork()
    if child == 0:
        try:
            with asyncio.Runner() as runner:
                found = runner.run(asyncio.wait_for(store.get(NAMESPACE, "aa"), 5))
                runner.run(asyncio.wait_for(write(store, NAMESPACE, "bb"), 5))
            os._exit(0 if found is not None else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    with asyncio.Runner() as runner:
        assert runner.run(store.get(NAMESPACE, "bb")) is not None
        runner.run(store.aclose())
