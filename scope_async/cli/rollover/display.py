"""Shows rollovers as they go on: a live table on a terminal, else lines, or lines of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scope_async.cli.durations import about, ago
from scope_async.cli.output import note, print_text, printable
from scope_async.cli.rollover.progress import Progress

QUIET_FOR = 300.0
"""Seconds after which a wait in which nothing changes is reported again, so that CI sees output."""
_STYLES = {"failed": "red", "risk": "yellow", "unreachable": "yellow", "done": "green"}


class RolloverDisplay:
    """Is called with each step of each rollover, and is a context for its live part."""

    def __init__(self, monotonic: Callable[[], float], *, as_json: bool) -> None:
        self._monotonic = monotonic
        self.as_json = as_json
        self._waiting: dict[str, Progress] = {}
        self._users: dict[str, dict[str, datetime]] = {}
        self._printed_at: dict[str, float] = {}
        is_live = sys.stderr.isatty() and not as_json
        self._live = (
            Live(console=Console(stderr=True), transient=True, refresh_per_second=2) if is_live else None
        )

    def context(self) -> AbstractContextManager[Any]:
        return self._live if self._live is not None else nullcontext()

    def __call__(self, progress: Progress) -> None:
        if progress.event == "waiting":
            self._note_user(progress)
            if self._live is not None:
                self._waiting[progress.api_key] = progress
                self._live.update(self._table())
                return
            if not progress.changed and not self._is_due(progress.api_key):
                return
        else:
            self._waiting.pop(progress.api_key, None)
        self._print(progress)

    def _is_due(self, api_key: str) -> bool:
        return self._monotonic() - self._printed_at.get(api_key, float("-inf")) >= QUIET_FOR

    def _print(self, progress: Progress) -> None:
        self._printed_at[progress.api_key] = self._monotonic()
        if self.as_json:
            print_text(printable(json.dumps(progress.document(), ensure_ascii=False)))
        else:
            style = _STYLES.get(progress.event, "")
            note(f"{progress.event:>11}  {progress.api_key}: {progress.detail}", style=style)

    def _note_user(self, progress: Progress) -> None:
        if progress.last_used_by is not None and progress.last_used_at is not None:
            users = self._users.setdefault(progress.api_key, {})
            users.setdefault(progress.last_used_by, progress.last_used_at)

    def _table(self) -> Table:
        now = datetime.now(UTC)
        table = Table(box=None, pad_edge=False)
        table.add_column("Waiting for", overflow="fold")
        table.add_column("Idle", no_wrap=True)
        table.add_column("Used by, since", overflow="fold")
        for key, progress in self._waiting.items():
            idle = f"{about(progress.idle or 0)} of {about(progress.needed or 0)}"
            users = "\n".join(f"{by}, {ago(at, now)}" for by, at in self._users.get(key, {}).items())
            table.add_row(*(Text(printable(cell, keep="\n")) for cell in (key, idle, users or "never used")))
        return table
