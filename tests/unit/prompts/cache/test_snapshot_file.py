from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from scope_async.prompts.cache.snapshot_file import FORMAT, SnapshotEntry, read_snapshot, write_snapshot
from scope_async.prompts.reference import Key
from scope_async.prompts.version import PromptVersion

DOCUMENT = {"version_id": "v1", "version": 1, "name": "p", "content": "Hi {{x}}", "status": "published"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "prompts.json"


def saved(**changes: Any) -> SnapshotEntry:
    raw = json.dumps({**DOCUMENT, **changes}).encode()
    version = PromptVersion(id="v1", version_number=1, name="p", content="Hi {{x}}", raw=raw)
    return SnapshotEntry(version, stored_at=1_700_000_000.5)


def test_write_and_read_return_the_same_versions_as_stale(path: Path) -> None:
    keys: list[Key] = ["p", ("p", "label", "latest"), ("p", "version", "v1")]
    write_snapshot(path, dict.fromkeys(keys, saved()))
    read = read_snapshot(path)
    assert list(read) == keys
    for entry in read.values():
        assert (entry.version.id, entry.version.is_stale, entry.stored_at) == ("v1", True, 1_700_000_000.5)
        assert entry.version.render(x="X") == "Hi X"


def test_read_follows_the_option_for_unknown_variables(path: Path) -> None:
    write_snapshot(path, {"p": saved()})
    assert read_snapshot(path, "ignore")["p"].version.render(x="X", y="Y") == "Hi X"


def test_write_makes_a_file_of_mode_0600_and_leaves_no_other(path: Path) -> None:
    for _ in range(2):
        write_snapshot(path, {"p": saved()})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]


def test_write_that_fails_keeps_the_file_and_leaves_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(path, {"p": saved()})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(path, {})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]


def test_read_without_a_file_is_empty_and_silent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_snapshot(path) == {}
    assert not caplog.records


def test_read_leaves_a_file_alone_that_cannot_be_read(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)
    assert read_snapshot(path) == {}
    assert "cannot be read" in caplog.text
    assert path.is_dir()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b'{"format": "other"}', json.dumps({"format": FORMAT}).encode()],
)
def test_read_moves_a_file_aside_that_is_no_snapshot(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_snapshot(path) == {}
    assert path.with_name("prompts.json.corrupt").read_bytes() == content
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        {},
        {"name": "p", "by": "colour", "wanted": "blue", "stored_at": 0, "document": DOCUMENT},
        {"name": "p", "by": "label", "wanted": "production", "stored_at": "never", "document": DOCUMENT},
        {"name": "p", "by": "label", "wanted": "production", "stored_at": 0, "document": []},
        {"name": "p", "by": "label", "wanted": "production", "stored_at": 0, "document": {}},
        {"name": "..", "by": "label", "wanted": "production", "stored_at": 0, "document": DOCUMENT},
    ],
)
def test_read_skips_an_entry_that_cannot_be_read(
    path: Path, entry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write_snapshot(path, {"p": saved()})
    content = json.loads(path.read_text())
    content["prompts"].insert(0, entry)
    path.write_text(json.dumps(content))
    assert list(read_snapshot(path)) == ["p"]
    assert "entry that cannot be read" in caplog.text
