"""Forks, exits and load, in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tests.fakes.cli import clean_environment
from tests.fakes.threaded_scope import threaded_scope

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

BODY = json.dumps(
    {"version_id": "v_1", "version": 1, "prompt_id": "p_1", "content": "text", "status": "published"}
).encode()


def run(program: str, *arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


class TlsServer:
    """Answers over TLS, and notes for each connection what it saw; a request for `held` waits."""

    def __init__(self) -> None:
        self.connections: list[list[str]] = []
        self.held, self.release = threading.Event(), threading.Event()
        authority = trustme.CA()
        self.authority = authority.cert_pem
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self.connections.append([])
                self._spawn(self._serve, accepted, self.connections[-1])

    def _spawn(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _serve(self, accepted: socket.socket, seen: list[str]) -> None:
        wrapped = self._context.wrap_socket(accepted, server_side=True, suppress_ragged_eofs=False)
        with wrapped:
            try:
                while request := self._request(wrapped):
                    seen.append("request")
                    if b"/held/" in request:
                        self.held.set()
                        self.release.wait(20)
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
                    wrapped.sendall(head.encode() + b"\r\n\r\n" + BODY)
                seen.append("close_notify")
            except ssl.SSLEOFError:
                seen.append("end")
            except OSError as error:
                seen.append(type(error).__name__)

    @staticmethod
    def _request(connection: ssl.SSLSocket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65_536)
            if not part:
                return b""
            received += part
        return received

    @contextmanager
    def serving(self) -> Iterator[TlsServer]:
        self._spawn(self._accept)
        try:
            yield self
        finally:
            self.release.set()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for thread in self._threads:
                thread.join(20)


@pytest.fixture
def tls(tmp_path) -> Iterator[tuple[TlsServer, dict[str, str]]]:
    with TlsServer().serving() as server:
        server.authority.write_to_path(str(tmp_path / "ca.pem"))
        yield (
            server,
            clean_environment(
                SSL_CERT_FILE=str(tmp_path / "ca.pem"),
                SCOPE_API_URL=server.url,
                SCOPE_AUTH_API_URL=server.url,
                SCOPE_ORG_ID="org_1",
                SCOPE_API_KEY="key_1",
                SCOPE_API_SECRET="secret_1",
            ),
        )


@pytest.mark.parametrize("way", ["os._exit", "exit", "close", "collect", "close, collect"])
def test_forked_child_leaves_no_trace_on_an_inherited_connection(tls, way) -> None:
    server, environment = tls
    assert run("forked.py", way, environment=environment) == "text\ntext\n"
    # Both requests of the parent, over one connection that was not closed between them.
    (seen,) = server.connections
    assert seen[:2] == ["request", "request"]
    assert len(seen) <= 3


def test_forked_child_has_a_connection_of_its_own(tls) -> None:
    server, environment = tls
    assert run("forked.py", "use", environment=environment) == "text\ntext\n"
    assert [seen.count("request") for seen in server.connections] == [2, 1]


def test_forked_child_leaves_a_call_in_flight_to_its_parent(tls) -> None:
    server, environment = tls
    command = [sys.executable, str(PROGRAMS / "forked.py"), "in flight"]
    with subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert server.held.wait(20)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert [process.stdout.readline() for _ in range(2)] == ["text\n", "child ended\n"]
        assert not any(event != "request" for seen in server.connections for event in seen)
        server.release.set()
        rest, errors = process.communicate()
    assert (rest, errors, process.returncode) == ("text\ntext\n", "", 0)


def test_parent_and_forked_children_go_on() -> None:
    with threaded_scope(token_ttl=2) as server:
        began = server.local.clock.monotonic()
        assert run("family.py", "2.5", environment=clean_environment(**server.variables)) == "[0, 0, 0]\n"
        # The children begin with their parent's token; then each process renews its own, twice in its life.
        lives = (server.local.clock.monotonic() - began) / 2
        assert server.local.journal.count("exchange") <= 4 * (1 + 2 * lives)


def test_parent_and_forked_children_share_tokens_and_prompts_through_a_store(tmp_path) -> None:
    with threaded_scope(token_ttl=2) as server:
        environment = clean_environment(**server.variables, SCOPE_STORE_URL=(tmp_path / "store").as_uri())
        began = server.local.clock.monotonic()
        assert run("family.py", "1", environment=environment) == "[0, 0, 0]\n"
        # A busy machine takes longer; four processes alone would make four times as many.
        lives = (server.local.clock.monotonic() - began) / 2
        assert server.local.journal.count("exchange") <= 3 + 2 * lives


def test_threads_renew_tokens_and_copies_without_a_failure() -> None:
    with threaded_scope(token_ttl=2) as server:
        began = server.local.clock.monotonic()
        found = json.loads(run("load.py", "6", environment=clean_environment(**server.variables)))
        lives = (server.local.clock.monotonic() - began) / 2
        assert found["failures"] == []
        assert found["calls"] > 10_000
        assert server.local.journal.count("exchange") <= 6 + 2 * lives
        before, after = found["descriptors"]
        assert after <= before + 2  # a connection for an exchange that is under way


def test_process_that_exits_without_closing_leaves_nothing() -> None:
    script = "from scope_async.sync import ScopeClient; ScopeClient.from_env().ping()"
    with threaded_scope() as server:
        environment = clean_environment(**server.variables)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
