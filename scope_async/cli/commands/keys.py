"""`scope-async keys create|list|revoke|rotate`, for administrators."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from scope_async.cli.durations import about, ago, read_duration_within
from scope_async.cli.env_file import EnvFile, credential_variables, export_lines
from scope_async.cli.output import (
    EXIT_REFUSED,
    AsJson,
    OutputError,
    fail,
    note,
    print_json,
    print_table,
    print_text,
    printable,
    run,
    utc,
)
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey, NewApiKey

app = typer.Typer(
    help="API keys, for administrators: needs SCOPE_API_URL and SCOPE_ADMIN_TOKEN.", no_args_is_help=True
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key's public identifier, key_…")]
Environment = StrEnum("Environment", ("development", "staging", "production"))
Status = StrEnum("Status", ("active", "revoked", "expired"))
WriteEnv = Annotated[
    Path | None, typer.Option(help="Write the credentials to this new file, which only you can read.")
]
_DAY = 86_400
_LONGEST_LIFE = 100 * 365 * _DAY
_LONGEST_OVERLAP = 30 * _DAY
_STALE_AFTER = 30 * _DAY
_OLD_AFTER = 90 * _DAY


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The service that uses the key, such as billing-service-prod.")],
    *,
    environment: Annotated[
        Environment, typer.Option("--env", help="Where the service runs.")
    ] = Environment.production,
    expires_in: Annotated[
        str | None,
        typer.Option("--expires-in", help="Lifetime, such as 90d; without it, the key never expires."),
    ] = None,
    write_env: WriteEnv = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and show its secret, this once."""
    lifetime = None if expires_in is None else read_duration_within(expires_in, 1, _LONGEST_LIFE)
    _make(
        lambda admin: admin.create(name, environment=environment, expires_in=lifetime),
        write_env,
        as_json=as_json,
    )


@app.command()
def rotate(
    key: Key,
    *,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid, 0s to 30d.")] = "1d",
    write_env: WriteEnv = None,
    as_json: AsJson = False,
) -> None:
    """Replace an API key; the old one stays valid for the overlap."""
    seconds = read_duration_within(overlap, 0, _LONGEST_OVERLAP)
    _make(lambda admin: admin.rotate(key, overlap=seconds), write_env, as_json=as_json)
    if not as_json:
        remaining = (
            f"stays valid for {about(seconds)}; revoke it once the new key is in use"
            if seconds
            else "has expired"
        )
        note(f"{key} {remaining}", style="dim")


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
def revoke(
    key: Key,
    *,
    reason: Annotated[str | None, typer.Option(help="Reason for the audit trail.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the question for the name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key, at once and for good, after its name was typed."""

    async def fetch_key() -> ApiKey:
        async with ApiKeyAdmin.from_env() as admin:
            return await admin.get(key)

    async def work() -> ApiKey:
        async with ApiKeyAdmin.from_env() as admin:
            return await admin.revoke(key, reason=reason)

    if not yes:
        if not sys.stdin.isatty():
            fail("stdin is no terminal to type the key's name into; to revoke without asking, use --yes")
        confirm(run(fetch_key()))
    revoked = run(work())
    if as_json:
        print_json(document(revoked))
    else:
        print_text(printable(f"revoked {revoked.api_key} ({revoked.name})"))


def confirm(key: ApiKey) -> None:
    """Ask for the name of the key, and exit if the answer differs."""
    used = ago(key.last_used_at, datetime.now(UTC))
    note(f"{key.api_key}: {key.environment}, last used {used}. This cannot be undone.")
    if typer.prompt(f"Type the name of the key ({printable(key.name)})", err=True) != key.name:
        fail("that is not its name; nothing was revoked", code=EXIT_REFUSED)


def document(key: ApiKey) -> dict[str, Any]:
    """Return the key for JSON output; a new key includes its secret."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in attrs.asdict(key).items()
    }


def _make(
    ask: Callable[[ApiKeyAdmin], Awaitable[NewApiKey]], write_env: Path | None, *, as_json: bool
) -> None:
    async def work() -> NewApiKey:
        async with ApiKeyAdmin.from_env() as admin:
            return await ask(admin)

    try:
        file = None if write_env is None else EnvFile(write_env)
    except ConfigurationError as error:
        fail(str(error))
    try:
        new = run(work())
    except BaseException:
        if file is not None:
            file.discard()
        raise
    if file is not None:
        try:
            file.write(_variables(new))
        except ConfigurationError as error:
            fail(f"{error}; the secret of {new.api_key} is lost: revoke that key")
    try:
        if as_json:
            # With --write-env the secret is in that file only.
            print_json({**document(new), **({"api_secret": None} if file is not None else {})})
        else:
            _show(new, None if file is None else file.path)
    except OutputError as error:
        where = "its secret is lost: revoke it" if file is None else f"its credentials are in {file.path}"
        fail(f"made API key {new.api_key} ({new.name}), but {error}; {where}", code=EXIT_REFUSED)


def _variables(new: NewApiKey) -> dict[str, str]:
    if new.org_id is None:
        return {"SCOPE_API_KEY": new.api_key, "SCOPE_API_SECRET": new.api_secret}
    return credential_variables(ApiKeyCredentials(new.org_id, new.api_key, new.api_secret))


def _show(new: NewApiKey, path: Path | None) -> None:
    note(f"made API key {new.api_key} ({new.name}, {new.environment}, expires: {utc(new.expires_at)})")
    if path is not None:
        note(f"its credentials are in {path}, which only you can read")
        return
    note("This is the only time that its secret is shown. Store it now.", style="bold yellow")
    print_text("\n".join(export_lines(_variables(new))))


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
