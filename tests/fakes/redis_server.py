"""Real Redis servers for tests: one, with sentinels, or a cluster; each on free ports of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis


def require_redis_server() -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        pytest.skip("no redis-server on this machine (Debian: apt-get install redis-server)")
    return found


def free_port() -> int:
    """Return a port below those that the system gives away, and whose cluster port is free as well."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            if port + 10_000 > 65_535:
                port -= 20_000
            try:
                second.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


class RedisServer:
    """One server process; it keeps its port when it is started again."""

    def __init__(
        self, folder: Path, *options: str, sentinel: bool = False, tls: bool = False, host: str = "127.0.0.1"
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = free_port()
        self._options = options
        self._sentinel = sentinel
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://{self.host}:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def client(self, **options: object) -> redis.Redis:
        return redis.Redis(host=self.host, port=self.port, socket_timeout=5, **options)

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "redis.conf"
        if not config.exists():
            config.write_text("")
        program = [require_redis_server(), str(config), "--bind", self.host]
        port = ["--port", "0", "--tls-port"] if self._tls else ["--port"]
        program += [*port, str(self.port)]
        if not self._sentinel:
            program += ["--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*program, "--dir", str(self.folder), *self._options, *(["--sentinel"] * self._sentinel)],
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection((self.host, self.port), 1):
                    return
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            os.waitpid(self._process.pid, os.WUNTRACED)  # a signal arrives when the system comes to it

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)


@contextmanager
def running(server: RedisServer) -> Iterator[RedisServer]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def _cluster_node(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options)
    with running(server):
        # It listens before it knows whether its second port is free, and ends if another process took it.
        for _ in range(5):
            try:
                with server.client() as client:
                    client.ping()
                break
            except redis.ConnectionError:
                server.kill()
                server.port = free_port()
                server.start()
        yield server


@contextmanager
def cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """Three nodes without replicas, each with a third of the slots."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    with ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node(folder / str(n), *options)) for n in range(3)]
        bounds = [0, 5461, 10923, 16384]
        for index, node in enumerate(nodes):
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", str(index + 1))
                client.execute_command(
                    "CLUSTER", "ADDSLOTS", *map(str, range(bounds[index], bounds[index + 1]))
                )
                if index:
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", str(nodes[0].port))
        deadline = time.monotonic() + 20
        for node in nodes:
            with node.client() as client:
                while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                    assert time.monotonic() < deadline, "the cluster did not form"
                    time.sleep(0.1)
        yield nodes


@contextmanager
def sentinels(folder: Path) -> Iterator[tuple[RedisServer, RedisServer, list[RedisServer]]]:
    """A master, its replica, and three sentinels that watch them under the name `scope`."""
    with ExitStack() as stack:
        master = stack.enter_context(running(RedisServer(folder / "master")))
        replica = RedisServer(folder / "replica", "--replicaof", "127.0.0.1", str(master.port))
        stack.enter_context(running(replica))
        watching = []
        for n in range(3):
            sentinel = RedisServer(folder / f"sentinel{n}", sentinel=True)
            sentinel.folder.mkdir()
            (sentinel.folder / "redis.conf").write_text(
                f"sentinel monitor scope 127.0.0.1 {master.port} 2\n"
                "sentinel down-after-milliseconds scope 500\nsentinel failover-timeout scope 2000\n"
            )
            watching.append(stack.enter_context(running(sentinel)))
        deadline = time.monotonic() + 20
        for sentinel in watching:
            with sentinel.client(decode_responses=True) as client:
                while True:
                    state = client.sentinel_masters()["scope"]
                    if state["num-slaves"] == 1 and state["num-other-sentinels"] == 2:
                        break
                    assert time.monotonic() < deadline, f"the sentinels did not meet: {state}"
                    time.sleep(0.1)
        yield master, replica, watching
