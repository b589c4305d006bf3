"""The stores that are measured: a folder, and a Redis server of this run where there is one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.fakes.redis_server import RedisServer, running

ALONE, FILE, REDIS = "without a store", "FileStore", "RedisStore"
NO_SERVER = "RedisStore (no redis-server)"


@contextmanager
def store_urls() -> Iterator[dict[str, str]]:
    """Yield the URL of each store by its name, empty for none; Redis is left out without a server."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = {ALONE: "", FILE: (folder / "store").as_uri()}
        if shutil.which("redis-server") or shutil.which("valkey-server"):
            found[REDIS] = stack.enter_context(running(RedisServer(folder / "redis"))).url
        yield found


def missing_stores(urls: dict[str, str]) -> list[str]:
    """Return what cannot be measured on this machine."""
    return [] if REDIS in urls else [NO_SERVER]
