"""The package as on Windows: run as a program, which takes away what Windows lacks and then uses the package.

Imports what the package imports of others first, since these have found out where they are by themselves.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
from pathlib import Path

import pytest

OTHERS = """
aiohttp aiohttp.web aiohttp.web_runner aiosqlite anyio attrs botocore.session cryptography jinja2 jwt keyring
msgspec multiprocessing opentelemetry.metrics opentelemetry.trace pytest pytest_asyncio redis.asyncio rich
rich.live subprocess typer yaml
"""
MISSING = {
    os: "fchmod fchown fork geteuid getuid register_at_fork O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK",
    select: "poll",
    signal: "SIGKILL SIGHUP SIGALRM",
}


def pretend() -> None:
    """Take away modules, functions and flags that Windows lacks."""
    for name in OTHERS.split():
        importlib.import_module(name)
    for module, names in MISSING.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    for name in ("fcntl", "grp", "pwd", "resource", "termios"):
        sys.modules[name] = None  # type: ignore[assignment]
    sys.platform = "win32"
    os.replace = refusing_open_files(os.replace)


def refusing_open_files(replace):
    """Return `os.replace`, which fails on Windows for a target that is open."""

    def strict_replace(source, target, **options):
        opened = {os.path.realpath(entry) for entry in Path("/proc/self/fd").glob("*")}
        if os.path.realpath(target) in opened:
            raise PermissionError(13, "the file is open", str(target))
        replace(source, target, **options)

    return strict_replace


def import_everything() -> None:
    package = importlib.import_module("scope_async")
    for module in pkgutil.walk_packages(package.__path__, "scope_async."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


async def use(folder: Path) -> None:
    """Render with a snapshot, rotate a key in a file, and refuse the store that needs Linux."""
    from scope_async import ApiKeyCredentials, ConfigurationError, FileCredentials, ScopeClient
    from scope_async.local import LocalScope
    from scope_async.stores import FileStore

    snapshot, path = folder / "snapshot.json", folder / "scope.json"
    old = ApiKeyCredentials("org_1", "key_1", "secret_1")
    path.write_text(json.dumps({"org_id": old.org_id, "api_key": old.api_key, "api_secret": old.api_secret}))
    provider = FileCredentials(str(path))
    async with LocalScope(path=str(folder / "scope.sqlite")) as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        await provider.store(local.credentials)
        addresses = {"base_url": local.url, "auth_api_url": local.url}
        for name in ("Alice", "Bob"):
            async with ScopeClient(provider, snapshot_path=snapshot, **addresses) as scope:
                for _ in range(2):
                    text = await scope.render_prompt("greeting", {"name": name}, cache=False)
                    assert text == f"Hello, {name}!"
    async with ScopeClient(provider, snapshot_path=snapshot, max_retries=0, **addresses) as scope:
        assert (await scope.get_prompt_version("greeting")).is_stale
    with pytest.raises(ConfigurationError, match="Linux"):
        await FileStore(folder / "store").get("token", "name")


if __name__ == "__main__":
    pretend()
    import_everything()
    asyncio.run(use(Path(sys.argv[1])))
