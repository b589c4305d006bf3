"""`scope-async keys create|list|revoke|rotate`, for administrators."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer
from rich.markup import escape
from rich.table import Table

from scope_async.cli.durations import about, ago, read_duration
from scope_async.cli.env_file import EnvFile, credential_variables, export_lines
from scope_async.cli.output import EXIT_REFUSED, AsJson, fail, print_json, run, stderr, stdout
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey, NewApiKey

app = typer.Typer(
    help="API keys, for administrators: needs SCOPE_API_URL and SCOPE_ADMIN_TOKEN.", no_args_is_help=True
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key's public identifier, key_…")]
WriteEnv = Annotated[
    Path | None, typer.Option(help="Write the credentials to this new file, which only you can read.")
]
_DAY = 86_400
_STALE_AFTER = 30 * _DAY
_OLD_AFTER = 90 * _DAY
_COLOURS = {"active": "green", "revoked": "dim", "expired": "dim"}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The service that uses the key, such as billing-service-prod.")],
    *,
    environment: Annotated[
        str, typer.Option("--env", help="development, staging or production.")
    ] = "production",
    expires_in: Annotated[
        str | None,
        typer.Option("--expires-in", help="Lifetime, such as 90d; without it, the key never expires."),
    ] = None,
    write_env: WriteEnv = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and show its secret, this once."""
    lifetime = None if expires_in is None else read_duration(expires_in)
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
    seconds = read_duration(overlap)
    _make(lambda admin: admin.rotate(key, overlap=seconds), write_env, as_json=as_json)
    if not as_json:
        remaining = (
            f"stays valid for {about(seconds)}; revoke it once the new key is in use"
            if seconds
            else "has expired"
        )
        stderr().print(f"[dim]{escape(key)} {remaining}[/]")


@app.command(name="list")
def list_keys(
    *,
    status: Annotated[
        str | None, typer.Option(help="Only keys with this status: active, revoked or expired.")
    ] = None,
    environment: Annotated[str | None, typer.Option("--env", help="Only keys of this environment.")] = None,
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
        typer.echo("no API keys; the first step: scope-async keys create NAME", err=True)
        return
    stdout().print(_table(keys, datetime.now(UTC)))


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
        typer.echo(f"revoked {revoked.api_key} ({revoked.name})")


def confirm(key: ApiKey) -> None:
    """Ask for the name of the key, and exit if the answer differs."""
    used = ago(key.last_used_at, datetime.now(UTC))
    typer.echo(f"{key.api_key}: {key.environment}, last used {used}. This cannot be undone.", err=True)
    if typer.prompt(f"Type the name of the key ({key.name})", err=True) != key.name:
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
    if as_json:
        # With --write-env the secret is in that file only.
        print_json({**document(new), **({"api_secret": None} if file is not None else {})})
    else:
        _show(new, None if file is None else file.path)


def _variables(new: NewApiKey) -> dict[str, str]:
    if new.org_id is None:
        return {"SCOPE_API_KEY": new.api_key, "SCOPE_API_SECRET": new.api_secret}
    return credential_variables(ApiKeyCredentials(new.org_id, new.api_key, new.api_secret))


def _show(new: NewApiKey, path: Path | None) -> None:
    ends = "never" if new.expires_at is None else new.expires_at.isoformat(timespec="seconds")
    said = f"made API key {new.api_key} ({new.name}, {new.environment}, expires: {ends})"
    stderr().print(escape(said))
    if path is not None:
        stderr().print(f"its credentials are in {escape(str(path))}, which only you can read")
        return
    stderr().print("[bold yellow]This is the only time that its secret is shown. Store it now.[/]")
    typer.echo("\n".join(export_lines(_variables(new))))


def _table(keys: list[ApiKey], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Name", overflow="fold")
    table.add_column("API Key", no_wrap=True)
    for title in ("Environment", "Created", "Last used", "Expires", "Status"):
        table.add_column(title)
    for key in keys:
        colour = _COLOURS.get(key.status, "white")
        expires = "never" if key.expires_at is None else key.expires_at.date().isoformat()
        row = (key.name, key.api_key, key.environment, ago(key.created_at, now), ago(key.last_used_at, now))
        status = f"[{colour}]{escape(key.status)}[/]{_marks(key, now)}"
        table.add_row(*map(escape, row), expires, status, style="dim" if not key.is_active else "")
    return table


def _marks(key: ApiKey, now: datetime) -> str:
    """Return `stale`, `old` or both for an active key, by the best practices for API keys."""
    age = (now - key.created_at).total_seconds()
    idle = (now - (key.last_used_at or key.created_at)).total_seconds()
    marks = [mark for mark, found in (("stale", idle > _STALE_AFTER), ("old", age > _OLD_AFTER)) if found]
    return f" [yellow]{', '.join(marks)}[/]" if key.is_active and marks else ""
