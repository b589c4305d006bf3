"""`scope-async token`: exchanges credentials once and shows the token's claims and refresh times."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from scope_async._core.clock import SystemClock
from scope_async.auth.exchange import HttpExchange
from scope_async.auth.refresh_policy import plan_refresh
from scope_async.auth.source import TokenSource
from scope_async.cli.output import AsJson, print_fields, print_json, print_text, run
from scope_async.config import Config
from scope_async.environment import Environment
from scope_async.http.transport import Transport
from scope_async.secrets.urls import credentials_from_env

_INSTANTS = ("iat", "nbf", "exp")


def token(
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the token too; it gives access to Scope.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Exchange the API key for a token; show its claims, its lifetime and when the client refreshes it."""
    document = run(_exchanged(reveal=reveal))
    if as_json:
        print_json(document)
        return
    print_fields(
        [
            *((name, _claim(name, value)) for name, value in document["claims"].items()),
            ("dialect", document["dialect"]),
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
    transport = Transport(config, clock=SystemClock(), max_connections=1)
    exchange = HttpExchange(config, transport)
    try:
        async with TokenSource(credentials_from_env(), config=config, exchange=exchange) as tokens:
            found = await tokens.get()
            earliest = plan_refresh(found.lifetime, buffer=config.token_refresh_buffer, random=1.0)
            latest = plan_refresh(found.lifetime, buffer=config.token_refresh_buffer, random=0.0)
            document = {
                "api_key": found.api_key,
                "dialect": exchange.dialect,
                "claims": found.claims,
                "lifetime": found.lifetime,
                "renewed_after": [round(earliest.refresh_after, 3), round(latest.refresh_after, 3)],
                "buffer": latest.buffer,
                "buffer_is_clamped": latest.clamped,
                "usable_for": round(latest.usable_for, 3),
            }
            return {**document, "token": found.value} if reveal else document
    finally:
        await transport.aclose()


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
