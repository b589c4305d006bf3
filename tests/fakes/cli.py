"""`scope-async serve` as a process of its own, and the command line against it."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
from typing import Any, Self

from typer.testing import CliRunner, Result

from scope_async.cli.app import app

COMMAND = (sys.executable, "-m", "scope_async.cli")
# Click 8.2 always captures stderr separately; before, its runner had to be asked to.
SEPARATE_STDERR: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
)


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment without SCOPE_* and proxy variables; output is buffered as it is for users."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SCOPE_")
        and not name.lower().endswith("_proxy")
        and name != "PYTHONUNBUFFERED"
    }
    return {**kept, "PYTHONWARNINGS": "error", **variables}


class ServeProcess:
    """A `serve` process for the block; `ready` is the JSON that it printed. SIGTERM ends it."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._arguments = arguments
        self._variables = variables
        self.ready: dict[str, Any] = {}
        self.returncode: int | None = None
        self.errors = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*COMMAND, "serve", "--json", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(**self._variables),
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            raise AssertionError(f"serve ended with {self._process.returncode}: {errors}")
        self.ready = json.loads(line)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGTERM)

    def stop(self, number: signal.Signals) -> None:
        if self.returncode is None:
            self._process.send_signal(number)
            _, self.errors = self._process.communicate()
            self.returncode = self._process.returncode

    @property
    def variables(self) -> dict[str, str]:
        """The variables that a client and an administrator need."""
        return {
            "SCOPE_API_URL": self.ready["url"],
            "SCOPE_AUTH_API_URL": self.ready["url"],
            "SCOPE_ORG_ID": self.ready["org_id"],
            "SCOPE_API_KEY": self.ready["api_key"],
            "SCOPE_API_SECRET": self.ready["api_secret"],
            "SCOPE_ADMIN_TOKEN": self.ready["admin_token"],
        }


class Shell:
    """Runs commands in this process with a set of variables; an unexpected exception fails the test."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables

    def __call__(self, *arguments: str, stdin: str | None = None, **variables: str | None) -> Result:
        result = CliRunner(**SEPARATE_STDERR).invoke(
            app, arguments, input=stdin, env={**self.variables, **variables}
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)
