"""`scope-async token`: exchanges credentials once and shows the token's claims and refresh times."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from scope_async._core.clock import SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.auth.exchange import HttpExchange
from scope_async.auth.refresh_policy import plan_refresh
from scope_async.auth.source import TokenSource
from scope_async.cli.output import AsJson, print_fields, print_json, print_text, run
from scope_async.config import Config
from scope_async.environment import Environment
from scope_async.http.transport import Transport
from scope_async.secrets.urls import credentials_from_env
from scope_async.stores.opening import open_client_store
from scope_async.telemetry.dispatcher import log_hooks

_INSTANTS = ("iat", "nbf", "exp")
_MAX_WAIT = 10.0
"""Seconds that the command waits for an auth API which is down."""


def token(
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the token too; it gives access to Scope.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Exchange the API key for a token, or take that of the shared store; show its claims and its times."""
    document = run(_exchanged(reveal=reveal))
    if as_json:
        print_json(document)
        return
    print_fields(
        [
            *((name, _claim(name, value)) for name, value in document["claims"].items()),
            ("from", _origin(document)),
            ("lifetime", f"{document['lifetime']:g} s"),
            ("renewed", _renewal(document)),
            ("given up", f"after {document['usable_for']:g} s, when no renewal succeeded"),
        ]
    )
    if reveal:
        print_text(document["token"])


async def _exchanged(*, reveal: bool) -> dict[str, Any]:
    environment = Environment()
    environment.require_credentials()
    options = environment.options()
    environment.check()
    config = Config(**options)
    clock, background, hooks = SystemClock(), Background(), log_hooks()
    transport = Transport(config, clock=clock, max_connections=1)
    exchange = HttpExchange(config, transport)
    store = open_client_store(None, config, background, clock, None)
    try:
        async with TokenSource(
            credentials_from_env(),
            config=config,
            exchange=exchange,
            hooks=hooks,
            background=background,
            store=store,
        ) as tokens:
            found = await tokens.get_within(min(config.timeout, _MAX_WAIT))
            if store is not None:
                await store.flush()
            earliest = plan_refresh(found.lifetime, buffer=config.token_refresh_buffer, random=1.0)
            latest = plan_refresh(found.lifetime, buffer=config.token_refresh_buffer, random=0.0)
            document = {
                "api_key": found.api_key,
                "dialect": exchange.dialect,
                "from_store": tokens.status().shared,
                "claims": found.claims,
                "lifetime": found.lifetime,
                "expires_in": round(found.expires_in(), 3),
                "renewed_after": [round(earliest.refresh_after, 3), round(latest.refresh_after, 3)],
                "buffer": latest.buffer,
                "buffer_is_clamped": latest.clamped,
                "usable_for": round(latest.usable_for, 3),
            }
            return {**document, "token": found.value} if reveal else document
    finally:
        await transport.aclose()


def _origin(document: dict[str, Any]) -> str:
    if document["from_store"]:
        return f"the shared store; {document['expires_in']:.0f} s of its life are left"
    return f"an exchange of the API key, dialect {document['dialect']}"


def _renewal(document: dict[str, Any]) -> str:
    earliest, latest = document["renewed_after"]
    text = f"between {earliest:g} and {latest:g} s after the exchange, at random"
    if document["buffer_is_clamped"]:
        text += f"; token_refresh_buffer is more than half of the life, so {document['buffer']:g} s are used"
    return text


def _claim(name: str, value: object) -> str:
    if name in _INSTANTS and isinstance(value, int | float):
        with suppress(ValueError, OverflowError, OSError):
            return f"{value}  {datetime.fromtimestamp(value, UTC).isoformat(timespec='seconds')}"
    return str(value)
