"""The snapshot's file: only a regular one, read and replaced safely by any number of processes.

The lock is that of the folder (`flock`), so that no second file lies about: the snapshot itself is
replaced at every write, and a lock on it would be lost with it. Without `flock`, on Windows and on
some network file systems, two processes that write in the same instant can lose an entry.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

if sys.platform != "win32":
    import fcntl

Signature = tuple[int, int, int]
"""What differs once a file was replaced: inode, size, and time of change in nanoseconds."""

_LOCK_ATTEMPTS = 500
_LOCK_INTERVAL = 0.01

_LARGEST = 2**30
"""Bytes of a file that is read at most; a larger one would take the memory of the service."""

# A FIFO without a writer would block in `open`.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class NotRegularError(OSError):
    """What the path names is neither a regular file nor absent, so it is left alone."""


def read_file(path: Path) -> tuple[bytes, Signature] | None:
    """Return the content of a regular file and its signature; None if there is no file. Blocks.

    A symbolic link to a regular file is read: mounted configuration comes as one.

    Raises:
        NotRegularError: it is a folder, a device, a FIFO or a socket.
        OSError: it cannot be read.
    """
    try:
        _check_regular(path.stat())
        descriptor = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of the descriptor that is checked next
        opened = os.fstat(descriptor)
        _check_regular(opened)
        if opened.st_size > _LARGEST:
            raise OSError(f"it is larger than {_LARGEST} bytes")
        return file.read(), _signature(opened)


def signature_of(path: Path) -> Signature | None:
    """Return the signature of the file; None if there is none, or it cannot be looked at."""
    try:
        return _signature(path.stat())
    except OSError:
        return None


def replace_file(path: Path, content: bytes, *, private: bool) -> Signature:
    """Replace the file atomically and durably, or create it and its folder. Blocks.

    With `private` the file has mode 0600 from the start, else what the process's umask allows.

    Raises:
        NotRegularError: there is something that is no regular file, or a symbolic link.
        OSError: it cannot be written; what was there before is still there.
    """
    path.parent.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    check_replaceable(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of the descriptor with the right mode
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            signature = _signature(os.fstat(descriptor))
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return signature


def move_aside(path: Path) -> Path:
    """Rename a file that is no snapshot, and return its new path. Blocks.

    Raises:
        OSError: it cannot be renamed, or is no regular file.
    """
    check_replaceable(path)
    aside = path.with_name(f"{path.name}.corrupt")
    path.replace(aside)
    return aside


def check_replaceable(path: Path) -> None:
    """Raise unless the path is absent or a regular file; a link would be replaced, not followed.

    Raises:
        NotRegularError: it is anything else.
    """
    with contextlib.suppress(FileNotFoundError):
        _check_regular(path.lstat())


@contextlib.contextmanager
def locked_folder(path: Path, *, private: bool = True) -> Iterator[None]:
    """Hold the lock on the folder of `path`, which is created if it is missing. Blocks, at most 5 s.

    Raises:
        OSError: the folder cannot be opened, or another process held the lock all the time.
    """
    path.parent.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
    else:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            if not _lock(folder):
                raise TimeoutError(f"another process holds the lock on {path.parent}")
            yield
        finally:
            os.close(folder)


if sys.platform != "win32":

    def _lock(folder: int) -> bool:
        """Return False if another process held the lock all the time."""
        waiting = threading.Event()
        for _ in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting.wait(_LOCK_INTERVAL)
            except OSError:  # a file system without locks
                return True
            else:
                return True
        return False


def _check_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise NotRegularError(f"it is {kind}, and only a regular file is read or replaced")


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _signature(found: os.stat_result) -> Signature:
    return found.st_ino, found.st_size, found.st_mtime_ns
