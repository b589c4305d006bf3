"""Forks a process for each line on stdin; it writes to one store until it gets SIGKILL.

A program that `test_store.py` runs. Forking after the imports makes a hundred rounds cheap.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from scope_async.local import LocalScope


def say(**what: object) -> None:
    # A short write to a pipe is atomic (PIPE_BUF).
    os.write(1, json.dumps(what).encode() + b"\n")


async def write(local: LocalScope) -> None:
    while True:
        key = await local.create_key("crash-writer")
        say(done=("key", key.api_key))
        await local.revoke_key(key.api_key)
        say(done=("revoked", key.api_key))
        version = await local.add_prompt("greeting", "Hello, {{name}}!")
        say(done=("version", version.id))


async def main() -> None:
    async with LocalScope(sys.argv[1]) as local:
        await asyncio.gather(write(local), write(local))


for _ in sys.stdin:
    if (pid := os.fork()) == 0:
        say(pid=os.getpid())
        asyncio.run(main())
    os.waitpid(pid, 0)
    say(ended=pid)
