from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scope_async.prompts.cache import snapshot_file
from scope_async.prompts.cache.snapshot_file import (
    NotRegularError,
    locked_folder,
    move_aside,
    read_file,
    replace_file,
    signature_of,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "prompts.json"


def test_replace_and_read_return_the_content_and_the_signature(path: Path) -> None:
    assert read_file(path) is None
    assert signature_of(path) is None
    for content in (b"one", b"another"):
        signature = replace_file(path, content, private=True)
        assert read_file(path) == (content, signature)
        assert signature_of(path) == signature


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o000])
@pytest.mark.parametrize("private", [True, False])
def test_replace_respects_the_umask_unless_private(path: Path, umask: int, private: bool) -> None:
    before = os.umask(umask)
    try:
        replace_file(path, b"x", private=private)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == (0o600 if private else 0o666 & ~umask)
    assert stat.S_IMODE(path.parent.stat().st_mode) == (0o700 if private else 0o777) & ~umask


def test_replace_that_fails_keeps_the_file_and_leaves_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file(path, b"before", private=True)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"after", private=True)
    assert path.read_bytes() == b"before"
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)  # the name of a socket is short
        listening.bind(path.name)


KINDS: dict[str, Callable[[Path], object]] = {"FIFO": make_fifo, "socket": make_socket, "folder": Path.mkdir}


@pytest.mark.parametrize("kind", KINDS)
def test_file_that_is_not_regular_is_left_alone(
    path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)  # restores the folder afterwards
    KINDS[kind](path)
    before = path.lstat().st_ino
    for use in (read_file, move_aside, lambda path: replace_file(path, b"x", private=True)):
        with pytest.raises(NotRegularError, match=kind):
            use(path)
    assert path.lstat().st_ino == before
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]


def test_device_is_left_alone() -> None:
    with pytest.raises(NotRegularError, match="a device"):
        read_file(Path("/dev/null"))
    with pytest.raises(NotRegularError, match="a device"):
        snapshot_file.check_replaceable(Path("/dev/zero"))


def test_symbolic_link_to_a_file_is_read_and_never_replaced(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    target.write_bytes(b"content")
    path.parent.mkdir()
    path.symlink_to(target)
    found = read_file(path)
    assert found is not None
    assert found[0] == b"content"
    for use in (move_aside, lambda path: replace_file(path, b"x", private=True)):
        with pytest.raises(NotRegularError, match="a symbolic link"):
            use(path)
    assert path.is_symlink()
    assert target.read_bytes() == b"content"


def test_symbolic_link_to_a_device_is_not_read(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("/dev/zero")
    with pytest.raises(NotRegularError, match="a device"):
        read_file(path)


def test_move_aside_returns_where_the_file_is(path: Path) -> None:
    replace_file(path, b"x", private=True)
    assert move_aside(path).read_bytes() == b"x"
    assert not path.exists()


def test_lock_is_held_by_one_at_a_time_and_leaves_no_file(path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked_folder(path):
                inside += 1
                most = max(most, inside)
                threading.Event().wait(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1
    assert not list(path.parent.iterdir())


def test_lock_that_another_holds_for_too_long_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_file, "_LOCK_ATTEMPTS", 2)
    with (
        locked_folder(path),
        pytest.raises(TimeoutError, match="another process holds the lock"),
        locked_folder(path),
    ):
        pass  # pragma: no cover


def test_file_that_is_too_large_for_a_snapshot_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    path.touch()
    os.truncate(path, 2**30 + 1)  # sparse: it takes no room
    with pytest.raises(OSError, match="larger than"):
        read_file(path)
