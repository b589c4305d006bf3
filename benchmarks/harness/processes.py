"""Starts servers in their own processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_process(command: Sequence[str], body: bytes = b"") -> Iterator[str]:
    """Run a server while the block runs; yield the first line that it prints."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own words
    assert child.stdin is not None  # noqa: S101 - asked for above
    assert child.stdout is not None  # noqa: S101 - as above
    try:
        child.stdin.write(body)
        child.stdin.close()
        yield child.stdout.readline().decode()
    finally:
        child.terminate()
        child.wait()
        child.stdout.close()


def serve_command(folder: str) -> list[str]:
    return [sys.executable, "-m", "scope_async.cli", "serve", "--json", "--prompts", folder]


@contextmanager
def local_scope_process(*options: str) -> Iterator[dict[str, str]]:
    """Run a Local Scope with a prompt called `greeting`; yield what it prints when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "greeting.md").write_text("Hello, {{name}}!", encoding="utf-8")
        with running_process([*serve_command(folder), *options]) as line:
            yield json.loads(line)
