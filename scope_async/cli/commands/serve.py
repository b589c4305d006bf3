"""`scope-async serve`: Local Scope as a process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

    async def build() -> LocalScope:
        from scope_async.local import Fault, LocalScope  # noqa: PLC0415 - an extra that other commands do not need

        admin_token, file = _known_beforehand()
        local = LocalScope(
            path,
            host=host,
            port=port,
            token_ttl=token_ttl,
            prompts=prompts,
            public_url=public_url,
            admin_token=admin_token,
            credentials=None if file is None else await FileCredentials(file)(),
        )
        for text in fault or ():
            local.faults.add(Fault.parse(text))
        return local

    run(_serve(build, host, path, as_json=as_json))


def _known_beforehand() -> tuple[str | None, str | None]:
    """Return the admin token and the path of the credentials file in the environment."""
    environment = Environment()
    known = environment.text(LOCAL_ADMIN_TOKEN_VARIABLE), environment.text(LOCAL_CREDENTIALS_VARIABLE)
    environment.check()
    return known


async def _serve(
    build: Callable[[], Awaitable[LocalScope]], host: str, path: Path | None, *, as_json: bool
) -> None:
    stop_requested = _stop_signals()
    if host and not is_loopback(host):
        note(f"scope-async: plain HTTP on {host}: secrets and tokens travel in the clear")
    async with await build() as local:
        if as_json:
            print_json(_ready(local))
        else:
            print_text("\n".join(_script(local, path)))
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


def _ready(local: LocalScope) -> dict[str, Any]:
    first = _first_credentials(local)
    return {
        "event": "ready",
        "url": local.url,
        "org_id": local.org_id,
        "admin_token": local.admin_token,
        "settings_url": local.settings_url,
        "api_key": first.api_key if first else None,
        "api_secret": first.api_secret if first else None,
    }


def _script(local: LocalScope, path: Path | None) -> list[str]:
    first = _first_credentials(local)
    urls = {OPTION_VARIABLES["base_url"]: local.url, OPTION_VARIABLES["auth_api_url"]: local.url}
    lines = [
        "# Local Scope: both APIs, API keys and prompts.",
        *export_lines(urls),
        "# For an administrator (scope-async keys):",
        *export_lines({ADMIN_TOKEN_VARIABLE: local.admin_token}),
        "# Settings > API Keys in a browser; the link signs in, so it is as secret as the admin token:",
        f"# {local.settings_url}",
    ]
    if first is None:
        lines += [
            f"# {path} existed before: the secrets of its API keys were shown when they were created.",
            f"# Organization {local.org_id}; another key: scope-async keys create NAME",
        ]
    else:
        lines += [
            "# The first API key; its secret is shown this once:",
            *export_lines(credential_variables(first)),
        ]
    return [*lines, f"# ready {local.url}"]
