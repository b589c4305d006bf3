"""`scope-async keys list|show|events|revoke`, for administrators."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import attrs
import typer

from scope_async.cli.durations import ago
from scope_async.cli.output import (
    EXIT_REFUSED,
    AsJson,
    fail,
    note,
    print_fields,
    print_json,
    print_table,
    print_text,
    printable,
    run,
    utc,
)
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey, KeyEvent

app = typer.Typer(
    help="API keys, for administrators: needs SCOPE_API_URL and SCOPE_ADMIN_TOKEN.", no_args_is_help=True
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key's public identifier, key_…")]
Environment = StrEnum("Environment", ("development", "staging", "production"))
Status = StrEnum("Status", ("active", "revoked", "expired"))
_DAY = 86_400
_STALE_AFTER = 30 * _DAY
_OLD_AFTER = 90 * _DAY


@app.command(name="list")
def list_keys(
    *,
    status: Annotated[Status | None, typer.Option(help="Only keys with this status.")] = None,
    environment: Annotated[
        Environment | None, typer.Option("--env", help="Only keys of this environment.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the API keys, newest first, without secrets."""

    async def collect() -> list[ApiKey]:
        async with ApiKeyAdmin.from_env() as admin:
            return [key async for key in admin.list(status=status, environment=environment)]

    keys = run(collect())
    if as_json:
        print_json([document(key) for key in keys])
        return
    if not keys:
        note("no API keys; the first step: scope-async keys create NAME")
        return
    now = datetime.now(UTC)
    print_table(_TITLES, [_row(key, now) for key in keys], ["" if key.is_active else "dim" for key in keys])


@app.command()
def show(key: Key, *, as_json: AsJson = False) -> None:
    """Show one API key: its status, its dates, who used it last, and the keys before and after it."""
    found = run(fetch_key(key))
    if as_json:
        print_json(document(found))
        return
    now = datetime.now(UTC)
    used = f"{ago(found.last_used_at, now)}{f' by {found.last_used_by}' if found.last_used_by else ''}"
    made = f"{utc(found.created_at)}{f' by {found.created_by}' if found.created_by else ''}"
    fields = {
        "api key": found.api_key,
        "name": found.name,
        "environment": found.environment,
        "status": ", ".join([found.status, *_marks(found, now)]),
        "created": made,
        "last used": used,
        "expires": utc(found.expires_at),
        "revoked": None if found.revoked_at is None else utc(found.revoked_at),
        "reason": found.revoked_reason,
        "replaces": found.replaces,
        "replaced by": found.replaced_by,
    }
    print_fields((name, value) for name, value in fields.items() if value is not None)


@app.command()
def events(key: Key, *, as_json: AsJson = False) -> None:
    """Show the audit trail of an API key, oldest first."""

    async def collect() -> list[KeyEvent]:
        async with ApiKeyAdmin.from_env() as admin:
            return [event async for event in admin.events(key)]

    found = run(collect())
    if as_json:
        print_json([attrs.asdict(event) for event in found])
        return
    titles = ("At", "Event", "Times", "Actor", "Address", "Reason")
    print_table(
        titles,
        [
            (
                f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
                event.event,
                str(event.count),
                event.actor or "",
                event.address or "",
                event.reason or "",
            )
            for event in found
        ],
    )


@app.command()
def revoke(
    key: Key,
    *,
    reason: Annotated[str | None, typer.Option(help="Reason for the audit trail.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the question for the name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key, at once and for good, after its name was typed."""

    async def work() -> ApiKey:
        async with ApiKeyAdmin.from_env() as admin:
            return await admin.revoke(key, reason=reason)

    if not yes:
        if not sys.stdin.isatty():
            fail("stdin is no terminal to type the key's name into; to revoke without asking, use --yes")
        confirm(run(fetch_key(key)))
    revoked = run(work())
    if as_json:
        print_json(document(revoked))
    else:
        print_text(printable(f"revoked {revoked.api_key} ({revoked.name})"))


async def fetch_key(api_key: str) -> ApiKey:
    """Return one API key as the service has it."""
    async with ApiKeyAdmin.from_env() as admin:
        return await admin.get(api_key)


def confirm(key: ApiKey) -> None:
    """Ask for the name of the key, and exit if the answer differs."""
    used = ago(key.last_used_at, datetime.now(UTC))
    note(f"{key.api_key}: {key.environment}, last used {used}. This cannot be undone.")
    if typer.prompt(f"Type the name of the key ({printable(key.name)})", err=True) != key.name:
        fail("that is not its name; nothing was revoked", code=EXIT_REFUSED)


def document(key: ApiKey) -> dict[str, Any]:
    """Return the key for JSON output; a new key includes its secret."""
    serialize = lambda _, __, value: value.isoformat() if isinstance(value, datetime) else value  # noqa: E731
    return attrs.asdict(key, value_serializer=serialize)


_TITLES = ("Name", "API Key", "Environment", "Created", "Last used", "Expires", "Status")


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    return (
        key.name,
        key.api_key,
        key.environment,
        ago(key.created_at, now),
        ago(key.last_used_at, now),
        utc(key.expires_at),
        ", ".join([key.status, *_marks(key, now)]),
    )


def _marks(key: ApiKey, now: datetime) -> list[str]:
    """Return `stale`, `old` or both for an active key, by the best practices for API keys."""
    age = (now - key.created_at).total_seconds()
    idle = (now - (key.last_used_at or key.created_at)).total_seconds()
    marks = [mark for mark, found in (("stale", idle > _STALE_AFTER), ("old", age > _OLD_AFTER)) if found]
    return marks if key.is_active else []
