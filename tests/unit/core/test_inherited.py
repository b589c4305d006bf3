from __future__ import annotations

import os
import socket
import threading

import pytest

from scope_async._core.inherited import cut_off, fork_safe_lock, open_socket


def opened() -> socket.socket:
    return open_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 0)))


def test_open_socket_is_as_the_address_says() -> None:
    with opened() as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert not made.get_inheritable()


def test_cut_off_descriptor_reaches_no_peer() -> None:
    ours, peer = socket.socketpair()
    kept = ours.dup()  # the parent's part in it
    with ours, peer, kept:
        cut_off([ours.fileno(), -1])
        with pytest.raises(OSError, match="socket"):
            ours.send(b"bytes")
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):  # neither bytes nor an end
            peer.recv(1)
        kept.send(b"still open")
        assert peer.recv(10) == b"still open"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_is_cut_off_from_open_sockets_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, opened() as ours, socket.socket() as other:
        ours.connect(server.getsockname())
        other.connect(server.getsockname())
        with server.accept()[0], server.accept()[0]:
            child = os.fork()
            if child == 0:
                outcome = 1
                try:
                    other.send(b"not ours")
                    ours.send(b"bytes")
                except OSError:
                    outcome = 0
                finally:
                    os._exit(outcome)
            assert os.waitpid(child, 0)[1] == 0
            assert ours.send(b"the parent's") == 12


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_lock_that_another_thread_holds_is_free_and_its_state_whole_in_a_forked_child() -> None:
    lock = fork_safe_lock()
    entered, leave = threading.Event(), threading.Event()
    halves: list[str] = []

    def change() -> None:
        with lock:
            halves.append("first")
            entered.set()
            leave.wait(20)
            halves.append("second")

    thread = threading.Thread(target=change)
    thread.start()
    entered.wait(20)
    threading.Timer(0.05, leave.set).start()
    if not (child := os.fork()):
        # In a thread, since the lock lets the thread that forked enter twice.
        found = threading.Thread(
            target=lambda: os._exit(0 if lock.acquire(timeout=20) and len(halves) == 2 else 1)
        )
        found.start()
        found.join()
        os._exit(2)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_lock_is_free_in_the_parent_after_a_fork() -> None:
    lock = fork_safe_lock()
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
    taken: list[bool] = []
    thread = threading.Thread(target=lambda: taken.append(lock.acquire(timeout=20)))
    thread.start()
    thread.join()
    assert taken == [True]
