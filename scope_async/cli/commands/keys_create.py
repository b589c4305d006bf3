"""`scope-async keys create|rotate`: what makes a secret, and where that goes."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scope_async.cli.commands.keys import Environment, Key, document, fetch_key
from scope_async.cli.durations import about, ago, read_duration_within
from scope_async.cli.env_file import EnvFile, credential_variables, export_lines
from scope_async.cli.output import (
    EXIT_REFUSED,
    AsJson,
    OutputError,
    fail,
    note,
    print_json,
    print_text,
    run,
    utc,
)
from scope_async.cli.secret_storage import SecretStorage, make_and_store, revoke_again
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError, ScopeError
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey, NewApiKey

WriteEnv = Annotated[
    Path | None, typer.Option(help="Write the credentials to this new file, which only you can read.")
]
Into = Annotated[
    str | None,
    typer.Option(
        help="Put the credentials there and show them nowhere: vault://…, aws-sm://…, keyring://…, file:///…"
    ),
]
_DAY = 86_400
_LONGEST_LIFE = 100 * 365 * _DAY
_LONGEST_OVERLAP = 30 * _DAY

_Ask = Callable[[ApiKeyAdmin], Awaitable[NewApiKey]]


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
    into: Into = None,
    write_env: WriteEnv = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and show its secret, this once."""
    lifetime = None if expires_in is None else read_duration_within(expires_in, 1, _LONGEST_LIFE)
    _make(
        lambda admin: admin.create(name, environment=environment, expires_in=lifetime),
        write_env,
        into,
        as_json=as_json,
    )


def rotate(
    key: Key,
    *,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid, 0s to 30d.")] = "1d",
    again: Annotated[
        bool, typer.Option("--again", help="Make another successor of a key that has one.")
    ] = False,
    into: Into = None,
    write_env: WriteEnv = None,
    as_json: AsJson = False,
) -> None:
    """Replace an API key; the old one stays valid for the overlap."""
    seconds = read_duration_within(overlap, 0, _LONGEST_OVERLAP)
    if not again:
        old = run(fetch_key(key))
        if old.replaced_by is not None:
            _ask_for_another(old, run(fetch_key(old.replaced_by)))
            again = True
    new = _make(
        lambda admin: admin.rotate(key, overlap=seconds, again=again), write_env, into, as_json=as_json
    )
    if not as_json:
        replaced = new.replaced_key or run(fetch_key(key))
        note(_end_of(replaced, datetime.now(UTC)), style="dim")


def _ask_for_another(old: ApiKey, successor: ApiKey) -> None:
    """Return if a person wants a second successor, and exit if not."""
    now = datetime.now(UTC)
    said = (
        f"{old.api_key} was replaced by {successor.api_key}, made {ago(successor.created_at, now)}, "
        f"{successor.status}, last used {ago(successor.last_used_at, now)}"
    )
    if not sys.stdin.isatty():
        fail(f"{said}; to make another successor, use --again", code=EXIT_REFUSED)
    note(said)
    if not typer.confirm("Make another successor?", err=True):
        fail("nothing was made", code=EXIT_REFUSED)


def _end_of(key: ApiKey, now: datetime) -> str:
    """Return a sentence about how long a replaced key stays valid, as the service says."""
    if not key.is_active:
        return f"{key.api_key} is {key.status} now"
    if key.expires_at is None:
        return f"{key.api_key} does not expire; revoke it once the new key is in use"
    left = about(max(round((key.expires_at - now).total_seconds(), -1), 0.0))
    until = utc(key.expires_at)
    return f"{key.api_key} stays valid for {left}, until {until}; revoke it once the new key is in use"


def _make(ask: _Ask, write_env: Path | None, into: str | None, *, as_json: bool) -> NewApiKey:
    """Make a key, put its secret where it was asked for, and say so."""
    if into is not None and write_env is not None:
        fail("--into and --write-env are two places for one secret; give one of them")
    if into is not None:
        new, place = _make_into(ask, into), f"in {into}, and no other place"
    elif write_env is not None:
        new, place = _make_env_file(ask, write_env), f"in {write_env}, which only you can read"
    else:
        new, place = run(_with_admin(ask)), None
    try:
        if as_json:
            # Where the secret was put somewhere, it is there only.
            print_json({**document(new), **({} if place is None else {"api_secret": None})})
        else:
            _show(new, place)
    except OutputError as error:
        where = "its secret is lost: revoke it" if place is None else f"its credentials are {place}"
        fail(f"made API key {new.api_key} ({new.name}), but {error}; {where}", code=EXIT_REFUSED)
    return new


async def _with_admin(ask: _Ask) -> NewApiKey:
    async with ApiKeyAdmin.from_env() as admin:
        return await ask(admin)


def _make_into(ask: _Ask, url: str) -> NewApiKey:
    async def work() -> NewApiKey:
        storage = SecretStorage(url)
        async with ApiKeyAdmin.from_env() as admin:
            return await make_and_store(admin, lambda: ask(admin), storage)

    return run(work())


def _make_env_file(ask: _Ask, path: Path) -> NewApiKey:
    try:
        file = EnvFile(path)
    except ConfigurationError as error:
        fail(str(error))
    try:
        new = run(_with_admin(ask))
    except BaseException:
        file.discard()
        raise
    try:
        file.write(_variables(new))
    except ConfigurationError as error:
        fail(str(run(_revoke_again(new, error))))
    return new


async def _revoke_again(new: NewApiKey, failure: ScopeError) -> ScopeError:
    async with ApiKeyAdmin.from_env() as admin:
        return await revoke_again(admin, new, failure)


def _variables(new: NewApiKey) -> dict[str, str]:
    if new.org_id is None:
        return {"SCOPE_API_KEY": new.api_key, "SCOPE_API_SECRET": new.api_secret}
    return credential_variables(ApiKeyCredentials(new.org_id, new.api_key, new.api_secret))


def _show(new: NewApiKey, place: str | None) -> None:
    note(f"made API key {new.api_key} ({new.name}, {new.environment}, expires: {utc(new.expires_at)})")
    if place is not None:
        note(f"its credentials are {place}")
        return
    note("This is the only time that its secret is shown. Store it now.", style="bold yellow")
    print_text("\n".join(export_lines(_variables(new))))
