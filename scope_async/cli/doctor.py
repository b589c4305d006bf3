"""`scope-async doctor`: checks everything a client needs, and says what to do."""

from __future__ import annotations

import attrs
import typer
from rich.markup import escape

from scope_async.cli.checkup import Check, Checkup
from scope_async.cli.screen import SAID_NO, WRONG_USE, AsJson, print_json, run, stdout

_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


def doctor(*, as_json: AsJson = False) -> None:
    """Check variables, both services, TLS, the exchange, clocks and latency; say what to do."""
    checkup = Checkup()
    run(checkup.run())
    if as_json:
        print_json({"checks": [attrs.asdict(check) for check in checkup.checks], "healthy": checkup.healthy})
    else:
        _print(checkup.checks)
    if not checkup.healthy:
        raise typer.Exit(WRONG_USE if checkup.misconfigured else SAID_NO)


def _print(checks: list[Check]) -> None:
    console = stdout()
    for check in checks:
        console.print(f"{_SIGNS[check.outcome]} {check.name:<14} {escape(check.detail)}")
        if check.advice:
            console.print(f"  {'':<14} [dim]→ {escape(check.advice)}[/]")
