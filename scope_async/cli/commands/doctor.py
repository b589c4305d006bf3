"""`scope-async doctor`: checks everything that a client needs."""

from __future__ import annotations

import attrs
import typer
from rich.text import Text

from scope_async.cli.checkup import Check, Checkup
from scope_async.cli.output import EXIT_REFUSED, EXIT_USAGE, AsJson, print_json, print_styled, printable, run

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


def doctor(*, as_json: AsJson = False) -> None:
    """Check variables, store, both services, TLS, exchange, clock and latency; advise on each problem."""
    checkup = Checkup()
    run(checkup.run())
    if as_json:
        print_json({"checks": [attrs.asdict(check) for check in checkup.checks], "healthy": checkup.healthy})
    else:
        _print(checkup.checks)
    if not checkup.healthy:
        raise typer.Exit(EXIT_USAGE if checkup.misconfigured else EXIT_REFUSED)


def _print(checks: list[Check]) -> None:
    for check in checks:
        print_styled(Text.assemble(_SIGNS[check.outcome], f" {check.name:<14} {printable(check.detail)}"))
        if check.advice:
            whose = "" if check.responsible is None else f"{check.responsible}: "
            print_styled(Text(f"  {'':<14} → {whose}{printable(check.advice)}", "dim"))
