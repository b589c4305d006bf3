"""`scope-async keys audit`: checks API keys against the best practices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import attrs
import typer
from rich.markup import escape
from rich.table import Table

from scope_async.cli.durations import about, read_duration
from scope_async.cli.output import EXIT_REFUSED, AsJson, print_json, run, stdout
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey

_WORDS = {
    "development": {"dev", "development", "local", "test"},
    "staging": {"stage", "staging", "stg", "preprod"},
    "production": {"prod", "production", "live"},
}


@attrs.frozen(kw_only=True)
class AuditLimits:
    """Ages above which an active key is a finding, and the time before expiry; in seconds."""

    unused: float
    older_than: float
    expiring: float


@attrs.frozen
class Finding:
    """A problem of one key, with advice."""

    problem: str
    api_key: str
    name: str
    detail: str
    advice: str


def audit(
    *,
    unused: Annotated[str, typer.Option(help="Report keys unused for longer than this.")] = "30d",
    older_than: Annotated[str, typer.Option(help="Report keys older than this.")] = "90d",
    expiring: Annotated[str, typer.Option(help="Report keys that expire within this time.")] = "14d",
    as_json: AsJson = False,
) -> None:
    """Find active keys that are unused, old, about to expire or shared by environments.

    Exits with 1 if there are findings, for use in CI.
    """
    limits = AuditLimits(
        unused=read_duration(unused),
        older_than=read_duration(older_than),
        expiring=read_duration(expiring),
    )

    async def collect() -> list[ApiKey]:
        async with ApiKeyAdmin.from_env() as admin:
            return [key async for key in admin.list(status="active")]

    found = list(findings(run(collect()), limits, datetime.now(UTC)))
    if as_json:
        print_json([attrs.asdict(finding) for finding in found])
    elif found:
        stdout().print(_table(found))
    else:
        typer.echo("nothing found", err=True)
    if found:
        raise typer.Exit(EXIT_REFUSED)


def findings(keys: Iterable[ApiKey], limits: AuditLimits, now: datetime) -> Iterator[Finding]:
    """Yield the problems of the active keys."""
    for key in keys:
        if key.is_active:
            for problem, detail, advice in _problems(key, limits, now):
                yield Finding(problem, key.api_key, key.name, detail, advice)


def _problems(key: ApiKey, limits: AuditLimits, now: datetime) -> Iterator[tuple[str, str, str]]:
    age = (now - key.created_at).total_seconds()
    if key.last_used_at is None:
        # A new key may wait for its deployment.
        if age > limits.unused:
            yield "never used", f"made {about(age)} ago", "revoke it"
    elif (idle := (now - key.last_used_at).total_seconds()) > limits.unused:
        yield "unused", f"last used {about(idle)} ago", "revoke it"
    if age > limits.older_than:
        yield "old", f"made {about(age)} ago", f"scope-async keys rotate {key.api_key}"
    if key.expires_at is not None and (left := (key.expires_at - now).total_seconds()) < limits.expiring:
        yield "about to expire", f"in {about(left)}", f"scope-async keys rotate {key.api_key}"
    others = _environments_named(key.name) - {key.environment}
    if others:
        yield (
            "shared by environments",
            f"a key of {key.environment} whose name says {', '.join(sorted(others))}",
            "make one key for each environment",
        )


def _environments_named(name: str) -> set[str]:
    """Return the environments that a key's name mentions: `billing-service-prod` means production.

    The name is a hint: the service does not record which environments use a key.
    """
    words = set(re.split(r"[^a-z]+", name.lower()))
    return {environment for environment, spellings in _WORDS.items() if words & spellings}


def _table(found: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Problem", "Name", "API Key", "Detail", "What to do"):
        table.add_column(title, overflow="fold")
    for finding in found:
        row = (finding.problem, finding.name, finding.api_key, finding.detail, finding.advice)
        table.add_row(*map(escape, row))
    return table
