"""`scope-async keys audit`: checks API keys against the best practices."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated

import attrs
import typer

from scope_async.cli.durations import about, ago, read_duration
from scope_async.cli.output import AsJson, note, print_json, print_text, printable, run
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey

EXIT_FINDINGS = 3
PROBLEMS = ("never-used", "unused", "old", "about-to-expire", "shared-by-environments")

# Anywhere in a name, and those that are parts of other names (live-chat, dev-portal) at its end alone.
_WORDS = {
    "development": {"development"},
    "staging": {"staging", "stg", "preprod"},
    "production": {"prod", "production"},
}
_LAST_WORDS = {"development": {"dev"}, "staging": {"stage"}, "production": {"live"}}


@attrs.frozen(kw_only=True)
class AuditLimits:
    """Ages above which an active key is a finding, and the time before expiry; in seconds."""

    unused: float
    older_than: float
    expiring: float


@attrs.frozen
class Finding:
    """A problem of one key; the advice is the same for all problems of that key."""

    problem: str
    api_key: str
    name: str
    detail: str
    advice: str


def audit(
    *,
    unused: Annotated[str, typer.Option(help="Report keys unused for longer than this.")] = "30d",
    older_than: Annotated[str, typer.Option(help="Report keys older than this.")] = "90d",
    expiring: Annotated[
        str,
        typer.Option(help="Report keys that expire within this time, and in the last third of their life."),
    ] = "14d",
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY[:PROBLEM]", help="Leave out a key, or one problem of it; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find active keys that are unused, old, about to expire or shared by environments.

    A key that was replaced is none: it waits to be revoked. Exits with 3 if there are findings, with 1
    if the service refused or did not answer.
    """
    limits = AuditLimits(
        unused=read_duration(unused),
        older_than=read_duration(older_than),
        expiring=read_duration(expiring),
    )
    ignored = frozenset(map(_read_ignored, ignore or ()))

    async def collect() -> list[ApiKey]:
        async with ApiKeyAdmin.from_env() as admin:
            return [key async for key in admin.list(status="active")]

    keys, now = run(collect()), datetime.now(UTC)
    found = [
        finding
        for finding in findings(keys, limits, now)
        if not ignored & {(finding.api_key, None), (finding.api_key, finding.problem)}
    ]
    if as_json:
        print_json([attrs.asdict(finding) for finding in found])
    else:
        _print(found, keys, now)
    if found:
        raise typer.Exit(EXIT_FINDINGS)


def _read_ignored(text: str) -> tuple[str, str | None]:
    api_key, separator, problem = text.partition(":")
    if not api_key or (separator and problem not in PROBLEMS):
        raise typer.BadParameter(f"{text!r} is not KEY or KEY:PROBLEM; problems are {', '.join(PROBLEMS)}")
    return api_key, problem or None


def findings(keys: Iterable[ApiKey], limits: AuditLimits, now: datetime) -> Iterator[Finding]:
    """Yield the problems of the active keys, except those that an active key replaces."""
    active = {key.api_key: key for key in keys if key.is_active}
    for key in active.values():
        if key.replaced_by not in active:
            problems = list(_problems(key, limits, now))
            for problem, detail in problems:
                yield Finding(problem, key.api_key, key.name, detail, _advice(key, problems[0][0]))


def overlaps(keys: Iterable[ApiKey], now: datetime) -> Iterator[str]:
    """Yield a sentence for each active key that another active one replaces."""
    active = {key.api_key for key in keys if key.is_active}
    for key in keys:
        if key.is_active and key.replaced_by in active:
            used = ago(key.last_used_at, now)
            yield f"{key.api_key}: replaced by {key.replaced_by}, last used {used}: revoke it when idle"


def _problems(key: ApiKey, limits: AuditLimits, now: datetime) -> Iterator[tuple[str, str]]:
    age = (now - key.created_at).total_seconds()
    if key.last_used_at is None:
        # A new key may wait for its deployment.
        if age > limits.unused:
            yield "never-used", f"made {about(age)} ago"
    elif (idle := (now - key.last_used_at).total_seconds()) > limits.unused:
        yield "unused", f"last used {about(idle)} ago"
    if age > limits.older_than:
        yield "old", f"made {about(age)} ago"
    if key.expires_at is not None:
        left = (key.expires_at - now).total_seconds()
        # A key that was made for three days is no finding on its first one.
        if left < min(limits.expiring, (age + left) / 3):
            yield "about-to-expire", f"in {about(left)}"
    others = _environments_named(key.name) - {key.environment}
    if others:
        yield (
            "shared-by-environments",
            f"a key of {key.environment} whose name says {', '.join(sorted(others))}",
        )


def _advice(key: ApiKey, problem: str) -> str:
    """Return what to do about the first problem, which is the weightiest."""
    if problem == "shared-by-environments":
        return "make one key for each environment"
    command = "revoke" if problem in ("never-used", "unused") else "rotate"
    return f"scope-async keys {command} {shlex.quote(key.api_key)}"


def _environments_named(name: str) -> set[str]:
    """Return the environments that a key's name mentions: `billing-service-prod` means production.

    The name is a hint: the service does not record which environments use a key.
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    anywhere = {environment for environment, spellings in _WORDS.items() if spellings.intersection(words)}
    last = {
        environment for environment, spellings in _LAST_WORDS.items() if spellings.intersection(words[-1:])
    }
    return anywhere | last


def _print(found: list[Finding], keys: list[ApiKey], now: datetime) -> None:
    for (api_key, name), problems in groupby(found, lambda finding: (finding.api_key, finding.name)):
        # The terminal alone breaks these lines, so that ids and commands can be copied.
        print_text(printable(f"{api_key}  {name}"))
        advice = ""
        for finding in problems:
            print_text(printable(f"  {finding.problem}: {finding.detail}"))
            advice = finding.advice
        print_text(printable(f"  -> {advice}"))
    for sentence in overlaps(keys, now):
        note(sentence)
    if not found:
        note("nothing found")
