"""Fork safety: in the child, connections of the parent are cut off, and locks are free.

A child that closes an inherited TLS connection, if only at exit, tells the server so in the parent's
name; one that unregisters a socket takes it out of the parent's epoll, which both share. So in the
child the descriptors lead to /dev/null, before any other code runs there: whatever is done to them
reaches nothing, and the child's part in the connections is given up without a byte on the wire.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

_sockets: WeakSet[socket.socket] = WeakSet()
_locks: WeakSet[threading.RLock] = WeakSet()
_held: list[threading.RLock] = []
_forking = threading.RLock()


def open_socket(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket for an item of `getaddrinfo`, which a forked child is cut off from."""
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    _sockets.add(opened)
    return opened


def cut_off(descriptors: Iterable[int]) -> None:
    """Make each descriptor of this process one of /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        for descriptor in descriptors:
            if descriptor >= 0:
                with suppress(OSError):
                    os.dup2(null, descriptor, inheritable=False)
    finally:
        os.close(null)


def _cut_off_sockets() -> None:
    cut_off([each.fileno() for each in tuple(_sockets)])


def fork_safe_lock() -> threading.RLock:
    """Return a lock that no other thread holds while this process forks.

    A fork waits for it, so that what it guards is whole in the child too. For a few statements
    at a time, never across I/O, a callback of the application's or another lock.
    """
    lock = threading.RLock()
    with _forking:
        _locks.add(lock)
    return lock


def _hold_locks() -> None:
    # One fork at a time, since two of them would take the locks in different orders.
    _forking.acquire()
    for lock in tuple(_locks):
        lock.acquire()
        _held.append(lock)


def _release_locks() -> None:
    while _held:
        _held.pop().release()
    _forking.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_hold_locks, after_in_parent=_release_locks, after_in_child=_release_locks)
    os.register_at_fork(after_in_child=_cut_off_sockets)
