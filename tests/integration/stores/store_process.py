"""A process of its own that uses a store: `python -m …store_process URL NAMESPACE ROLE`."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from pathlib import Path

from scope_async.stores import Lease, StoredEntry, store_from_url

NAME = "ab" * 20
TAG = "cd" * 20


async def count(store, namespace) -> None:
    """Add one to the number in the entry, under its lease, for ever; print each number written."""
    while True:
        found = await store.get(namespace, NAME)
        known = "" if found is None else found.version
        lease = await store.acquire(namespace, NAME, owner=secrets.token_hex(16), duration=0.5, known=known)
        if isinstance(lease, Lease):
            number = 0 if found is None else int(found.content)
            if await store.put(lease, str(number + 1).encode(), lifetime=60, tags=[TAG]):
                print(number + 1, flush=True)
        elif not isinstance(lease, StoredEntry):
            await asyncio.sleep(0.01)


async def hold(store, namespace) -> None:
    """Take the lease, say so, and write when told to; print what came of it."""
    lease = await store.acquire(namespace, NAME, owner=secrets.token_hex(16), duration=0.5)
    print("holding", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await store.put(lease, b"late", lifetime=60), flush=True)


def start(url: str, namespace: str, role: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.stores.store_process", url, namespace, role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[3]](store_from_url(sys.argv[1]), sys.argv[2]))
