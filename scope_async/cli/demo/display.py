"""The display of the demo: progress and summary."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from scope_async.auth.token import TokenStatus
from scope_async.cli.demo.load import LoadStats, TokenWaits
from scope_async.cli.demo.summary import Summary
from scope_async.cli.output import stdout

_LINE_EVERY = 3.0
"""Seconds between two lines of progress without a terminal."""


class DemoDisplay:
    """A progress bar on a terminal, lines elsewhere, nothing if `silent`."""

    def __init__(self, *, silent: bool) -> None:
        self._console = Console(quiet=True) if silent else stdout()
        self._progress: Progress | None = None
        self._bar = TaskID(0)
        self._seconds = 0.0
        self._next_line = 0.0

    def step(self, text: str) -> None:
        """Print a finished step."""
        self._console.print(f"[green]✓[/] {escape(text)}")

    @contextmanager
    def live(self, seconds: float, concurrency: int) -> Iterator[None]:
        """Show the progress of the load in the block, which lasts about `seconds`."""
        self._console.print(f"[bold]{concurrency} coroutines fetch and render for {seconds:g} s[/]")
        self._seconds = seconds
        if not self._console.is_terminal:
            self._next_line = time.monotonic() + _LINE_EVERY
            yield
            return
        self._progress = Progress(
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            auto_refresh=False,  # its thread would slow the load
        )
        self._bar = self._progress.add_task("", total=seconds)
        with self._progress:
            yield
        self._progress = None

    def show(self, stats: LoadStats, status: TokenStatus, waits: TokenWaits) -> None:
        """Show the current figures."""
        text = (
            f"{stats.requests:,} requests, {stats.failures:,} failures, token no. {status.generation}"
            f" ({status.state}), longest wait for a token {_milliseconds(waits.longest)}"
        )
        if self._progress is not None:
            done = min(stats.seconds, self._seconds)
            self._progress.update(self._bar, completed=done, description=text, refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY
            self._console.print(f"  {stats.seconds:4.0f} s  {text}")

    def summary(self, summary: Summary) -> None:
        """Print the final table."""
        table = Table(box=None, show_header=False, pad_edge=False, title_justify="left")
        table.add_column()
        table.add_column(justify="right")
        table.add_row("requests", f"{summary.requests:,}")
        table.add_row("failures", f"{summary.failures:,}")
        again = max(0, summary.answered - summary.requests)
        table.add_row("sent again when the old key was revoked", f"{again:,}")
        table.add_row("requests per second", f"{summary.requests_per_second:,.0f}")
        table.add_row("token exchanges", f"{summary.token_exchanges} ({summary.token_renewals} under load)")
        table.add_row("requests that waited for a token", f"{summary.requests_that_waited:,}")
        table.add_row("longest wait for a token", _milliseconds(summary.longest_token_wait))
        table.add_row("the same at the cold start", _milliseconds(summary.cold_start_token_wait))
        self._console.print()
        self._console.print(table)
        for reason, count in summary.reasons.items():
            self._console.print(f"[red]{count:,} times {escape(reason)}[/]")
        verdict = "[bold green]nothing failed[/]" if summary.succeeded else "[bold red]the demo failed[/]"
        self._console.print(verdict)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
