"""What a user of the wheel finds who has some extras alone: `python extras.py [EXTRA…]`.

Each part of the package that an installed extra serves can be used, and each other says in one line what
to install. It needs nothing but the package, so that it runs in an environment without the tests' own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from scope_async import ConfigurationError
from scope_async.secrets import AwsSecretsManagerCredentials, KeyringCredentials
from scope_async.stores import store_from_url


def command_line() -> None:
    command = [sys.executable, "-m", "scope_async.cli", "--version"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=50, check=False)
    if done.returncode != 0:
        assert done.stderr.count("\n") == 1, done.stderr
        raise ImportError(done.stderr)


async def local_scope() -> None:
    async with import_module("scope_async.local").LocalScope():
        pass


USES: Mapping[str, Callable[[], object]] = {
    "aws": lambda: AwsSecretsManagerCredentials("prod/scope", region="eu-west-1"),
    "cli": command_line,
    "keyring": lambda: KeyringCredentials("scope"),
    "local": lambda: asyncio.run(local_scope()),
    "otel": lambda: import_module("scope_async.telemetry.otel").OpenTelemetryHook(),
    "redis": lambda: store_from_url("redis://127.0.0.1"),
}


def check(extra: str, *, installed: bool) -> None:
    try:
        USES[extra]()
    except (ImportError, ConfigurationError) as error:
        assert not installed, f"{extra} is installed: {error}"
        assert f"pip install 'scope-async[{extra}]'" in str(error), f"{extra}: {error}"
    else:
        assert installed, f"{extra} is not installed, and works all the same"


def main(*extras: str) -> None:
    for extra in USES:
        check(extra, installed=extra in extras)


if __name__ == "__main__":
    main(*sys.argv[1:])
