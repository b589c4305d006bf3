"""`scope-async serve`: Local Scope as a process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import attrs
import typer

from scope_async.cli.env_file import credential_variables, export_lines
from scope_async.cli.output import AsJson, note, print_json, print_text, run
from scope_async.config import is_loopback
from scope_async.credentials import ApiKeyCredentials, FileCredentials
from scope_async.environment import (
    ADMIN_TOKEN_VARIABLE,
    LOCAL_ADMIN_TOKEN_VARIABLE,
    LOCAL_CREDENTIALS_VARIABLE,
    OPTION_VARIABLES,
    Environment,
)
from scope_async.errors import ConfigurationError

if TYPE_CHECKING:
    from scope_async.local import LocalScope


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    public_url: Annotated[
        str | None,
        typer.Option(help="URL by which clients and browsers reach it, such as http://scope:8400."),
    ] = None,
    path: Annotated[Path | None, typer.Option(help="SQLite file to store everything in.")] = None,
    token_ttl: Annotated[float, typer.Option(help="Lifetime of tokens in seconds.")] = 3600.0,
    prompts: Annotated[Path | None, typer.Option(help="Folder of prompts: NAME.md or NAME.json.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a file that is no prompt.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT", help="A fault, such as prompt:status=503,times=5 or any:latency=0.1-0.3."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run Local Scope until SIGTERM or Ctrl-C.

    Prints the URL, the admin token and, on the first start, the first API key with its secret,
    this once. The output is a shell script that exports them; its last line says that Local
    Scope is ready. With --json it is one JSON object on one line.

    SCOPE_LOCAL_ADMIN_TOKEN and SCOPE_LOCAL_CREDENTIALS, a file with the three values of the first
    API key, make both known before the start; then neither is printed.
    """

    async def build(known: KnownBeforehand) -> LocalScope:
        from scope_async.local import Fault, LocalScope  # noqa: PLC0415 - an extra that other commands do not need

        local = LocalScope(
            path,
            host=host,
            port=port,
            token_ttl=token_ttl,
            prompts=prompts,
            strict_prompts=strict,
            public_url=public_url,
            admin_token=known.admin_token,
            credentials=known.credentials,
        )
        for text in fault or ():
            local.faults.add(Fault.parse(text))
        return local

    run(_serve(build, host, path, as_json=as_json))


@attrs.frozen
class KnownBeforehand:
    """What the environment decides before the start, and the output therefore leaves out."""

    admin_token: str | None = attrs.field(repr=False)
    credentials: ApiKeyCredentials | None

    @classmethod
    async def from_env(cls) -> Self:
        environment = Environment()
        admin_token = environment.text(LOCAL_ADMIN_TOKEN_VARIABLE)
        file = environment.text(LOCAL_CREDENTIALS_VARIABLE)
        environment.check()
        return cls(admin_token, None if file is None else await FileCredentials(file)())


async def _serve(
    build: Callable[[KnownBeforehand], Awaitable[LocalScope]], host: str, path: Path | None, *, as_json: bool
) -> None:
    stop_requested = _stop_signals()
    if host and not is_loopback(host):
        note(f"scope-async: plain HTTP on {host}: secrets and tokens travel in the clear")
    known = await KnownBeforehand.from_env()
    async with await build(known) as local:
        if local.loaded_prompts.passed_over:
            note(f"scope-async: {local.loaded_prompts}")
        if as_json:
            print_json(_ready(local, known))
        else:
            print_text("\n".join(_script(local, known, path)))
        await stop_requested.wait()


def _stop_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on; both no longer end the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no signal handlers on the loop; there Ctrl-C raises KeyboardInterrupt.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    return stop


def _first_credentials(local: LocalScope) -> ApiKeyCredentials | None:
    """Return the first credentials of a new store, or None for an existing one."""
    try:
        return local.credentials
    except ConfigurationError:
        return None


def _ready(local: LocalScope, known: KnownBeforehand) -> dict[str, Any]:
    first = _first_credentials(local)
    return {
        "event": "ready",
        "url": local.url,
        "org_id": local.org_id,
        "admin_token": local.admin_token if known.admin_token is None else None,
        "editor_token": local.editor_token if known.admin_token is None else None,
        "viewer_token": local.viewer_token if known.admin_token is None else None,
        "settings_url": local.settings_url if known.admin_token is None else f"{local.url}/settings",
        "api_key": first.api_key if first else None,
        "api_secret": first.api_secret if first and known.credentials is None else None,
    }


def _script(local: LocalScope, known: KnownBeforehand, path: Path | None) -> list[str]:
    urls = {OPTION_VARIABLES["base_url"]: local.url, OPTION_VARIABLES["auth_api_url"]: local.url}
    lines = [
        "# Local Scope: both APIs, API keys and prompts.",
        *export_lines(urls),
        *_administrator_lines(local, known),
        *_key_lines(local, known, path),
    ]
    return [*lines, f"# ready {local.url}"]


def _administrator_lines(local: LocalScope, known: KnownBeforehand) -> list[str]:
    if known.admin_token is not None:
        return [f"# Settings > API Keys: {local.url}/settings (token: {LOCAL_ADMIN_TOKEN_VARIABLE})"]
    return [
        "# For an administrator (scope-async keys):",
        *export_lines({ADMIN_TOKEN_VARIABLE: local.admin_token}),
        "# Settings > API Keys in a browser; the link signs in, so it is as secret as the admin token:",
        f"# {local.settings_url}",
    ]


def _key_lines(local: LocalScope, known: KnownBeforehand, path: Path | None) -> list[str]:
    if known.credentials is not None:
        return [f"# API key {known.credentials.api_key}: see {LOCAL_CREDENTIALS_VARIABLE}"]
    if (first := _first_credentials(local)) is not None:
        lines = export_lines(credential_variables(first))
        return ["# The first API key; its secret is shown this once:", *lines]
    return [
        f"# {path} existed before: the secrets of its API keys were shown when they were created.",
        f"# Organization {local.org_id}; another key: scope-async keys create NAME",
    ]
