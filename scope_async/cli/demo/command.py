"""`scope-async demo`: Local Scope and a client under load, on this machine."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from scope_async.cli.demo.display import DemoDisplay
from scope_async.cli.demo.load import Load, LoadStats, TokenWaits
from scope_async.cli.demo.summary import Summary
from scope_async.cli.env_file import credential_variables
from scope_async.cli.output import EXIT_REFUSED, AsJson, print_json, run
from scope_async.client import ScopeClient
from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import CREDENTIAL_VARIABLES, OPTION_VARIABLES
from scope_async.errors import TimeoutError
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import NewApiKey

if TYPE_CHECKING:
    from scope_async.local import Journal

TOKEN_TTL = 4.0
"""Seconds: short, so that a demo of 15 seconds sees several refreshes."""

_PROMPT = "greeting"
_CONTENT = "Hello, {{name}}! Welcome to {{app}}."
_POLL = 0.1
_OVERLAP = 600.0
_ROTATION_TIMEOUT = 5 * TOKEN_TTL
"""Seconds that the client may take to use the new key; the next refresh brings it."""


def demo(
    *,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long the load lasts.")] = 15.0,
    concurrency: Annotated[int, typer.Option(min=1, max=10_000, help="How many coroutines.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Run Local Scope and load it, with short-lived tokens and a key rotation.

    Exits with 0 if every request succeeded and the token was refreshed under load.
    """
    display = DemoDisplay(silent=as_json)
    summary = run(Demo(seconds, concurrency, display).run())
    if as_json:
        print_json({**attrs.asdict(summary), "succeeded": summary.succeeded})
    else:
        display.summary(summary)
    if not summary.succeeded:
        raise typer.Exit(EXIT_REFUSED)


class Demo:
    """One run: a Local Scope, a client configured by the environment, load, and a rotation half-way."""

    def __init__(self, seconds: float, concurrency: int, display: DemoDisplay) -> None:
        self._seconds = seconds
        self._concurrency = concurrency
        self._display = display
        self._waits = TokenWaits()

    async def run(self) -> Summary:
        """Return the figures of the run; failed requests are figures, too.

        Raises:
            ScopeError: the run could not be carried out.
        """
        from scope_async.local import LocalScope  # noqa: PLC0415 - an extra that other commands do not need

        async with (
            LocalScope(token_ttl=TOKEN_TTL) as local,
            ApiKeyAdmin(local.url, local.admin_token) as admin,
        ):
            await local.add_prompt(_PROMPT, _CONTENT)
            self._display.step(f"Local Scope is at {local.url}; its tokens live {TOKEN_TTL:g} s")
            key = await admin.create("demo-service")
            self._display.step(f"created the API key {key.api_key}")
            with _exported_variables(local.url, key.credentials(local.org_id)):
                async with ScopeClient.from_env(hooks=[self._waits]) as scope:
                    return await self._client(scope, admin, key, local.journal)

    async def _client(
        self, scope: ScopeClient, admin: ApiKeyAdmin, key: NewApiKey, journal: Journal
    ) -> Summary:
        version = await scope.get_prompt_version(_PROMPT)
        text = version.render(name="Alice", app="Scope")
        self._display.step(f"fetched version {version.version_number} of {_PROMPT!r} and rendered it: {text}")
        self._waits.start_measuring()
        before, answered_before = scope.tokens.status().exchanges, journal.count("prompt")
        with self._display.live(self._seconds, self._concurrency):
            stats = await self._load(scope, admin, key)
        exchanges = scope.tokens.status().exchanges
        answered = journal.count("prompt") - answered_before
        return Summary.of(
            stats, self._waits, answered=answered, exchanges=exchanges, renewals=exchanges - before
        )

    async def _load(self, scope: ScopeClient, admin: ApiKeyAdmin, key: NewApiKey) -> LoadStats:
        """Load the client until the time is over and the rotation has finished."""
        rotation = asyncio.create_task(self._rotate(scope, admin, key))
        try:
            async with Load(scope, _PROMPT, concurrency=self._concurrency) as load:
                ends_at = time.monotonic() + self._seconds
                while time.monotonic() < ends_at or not rotation.done():
                    await asyncio.sleep(_POLL)
                    self._display.show(load.stats(), scope.tokens.status(), self._waits)
                    if rotation.done():
                        rotation.result()
            return load.stats()
        finally:
            rotation.cancel()
            await asyncio.wait({rotation})

    async def _rotate(self, scope: ScopeClient, admin: ApiKeyAdmin, old: NewApiKey) -> None:
        """Replace the key as an administrator does: create one, bring it into use, revoke the old one."""
        await asyncio.sleep(self._seconds / 2)
        new = await admin.rotate(old.api_key, overlap=_OVERLAP)
        os.environ.update(credential_variables(new.credentials(old.org_id)))
        self._display.step(f"rotated: {new.api_key} is in the environment")
        deadline = time.monotonic() + _ROTATION_TIMEOUT
        while (token := scope.tokens.peek()) is None or token.api_key != new.api_key:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the new key {new.api_key} did not come into use within {_ROTATION_TIMEOUT:g} s"
                )
            await asyncio.sleep(_POLL)
        await admin.revoke(old.api_key, reason="replaced in the demo")
        self._display.step(f"the new key is in use; revoked {old.api_key}")


@contextmanager
def _exported_variables(url: str, credentials: ApiKeyCredentials) -> Iterator[None]:
    """Set exactly five `SCOPE_*` variables while the demo runs."""
    ours = {name for names in CREDENTIAL_VARIABLES.values() for name in names} | {*OPTION_VARIABLES.values()}
    before = {name: os.environ.pop(name) for name in ours if name in os.environ}
    os.environ.update(credential_variables(credentials))
    os.environ.update({OPTION_VARIABLES["base_url"]: url, OPTION_VARIABLES["auth_api_url"]: url})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
        os.environ.update(before)
