"""`scope-async keys rollover`: replaces API keys without downtime, by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import typer

from scope_async._core.clock import SystemClock
from scope_async.cli.durations import read_duration
from scope_async.cli.output import EXIT_REFUSED, AsJson, fail, note, run
from scope_async.cli.rollover.display import RolloverDisplay
from scope_async.cli.rollover.progress import Progress
from scope_async.cli.rollover.rollover import Rollover, explained
from scope_async.cli.rollover.steps import Step
from scope_async.cli.rollover.verification import Verification
from scope_async.cli.secret_storage import SecretStorage
from scope_async.errors import ScopeError
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey


def rollover(
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="The key to replace, key_…")] = None,
    *,
    into: Annotated[
        str,
        typer.Option(
            help="Where services read the key: vault://…, aws-sm://…, keyring://… or file:///…; "
            "{name}, {environment} and {api_key} stand for those of the key."
        ),
    ],
    idle: Annotated[
        str,
        typer.Option(help="Time unused before the old key is revoked; never below a token's life + 15m."),
    ] = "15m",
    timeout: Annotated[str, typer.Option(help="How long to wait for that.")] = "1d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Every key that is old and stored where --into says.")
    ] = False,
    older_than: Annotated[str, typer.Option(help="With --all: the age of a key that is old.")] = "80d",
    as_json: AsJson = False,
) -> None:
    """Replace an API key: make its successor, store it, wait until the old one is idle, revoke it.

    Interrupted at any point, the same command goes on where it was. Needs SCOPE_API_URL,
    SCOPE_AUTH_API_URL and SCOPE_ADMIN_TOKEN. With --json, a line per step.
    """
    if (key is None) is not every:
        fail("name one key, or give --all")
    seconds = {"idle": read_duration(idle), "timeout": read_duration(timeout)}
    oldest = read_duration(older_than)
    clock = SystemClock()
    display = RolloverDisplay(clock.monotonic, as_json=as_json)

    async def work() -> bool:
        async with ApiKeyAdmin.from_env() as admin, Verification(clock) as verification:

            def start(found: ApiKey) -> Rollover:
                storage = SecretStorage(_place(into, found))
                return Rollover(admin, storage, verification, **seconds, clock=clock, report=display)

            batch = RolloverBatch(start, display, dry_run=dry_run)
            if key is not None:
                await batch.run_one(await admin.get(key))
                return True
            old = [found async for found in admin.list(status="active") if _age(found) > oldest]
            if not old:
                note(f"no active key is older than {older_than}")
            return await batch.run_all(old)

    with display.context():
        succeeded = run(work())
    if not succeeded:
        raise typer.Exit(EXIT_REFUSED)


class RolloverBatch:
    """Rolls over one key, or many at the same time, of which one that fails stops no other."""

    def __init__(
        self, start: Callable[[ApiKey], Rollover], report: RolloverDisplay, *, dry_run: bool
    ) -> None:
        self._start = start
        self._report = report
        self._dry_run = dry_run

    async def run_all(self, keys: list[ApiKey]) -> bool:
        """Roll over those of the keys that are stored where they should be; return False if one failed."""
        return all(await asyncio.gather(*map(self._run_if_stored, keys)))

    async def run_one(self, key: ApiKey) -> None:
        """Roll over a key.

        Raises:
            ScopeError: as `Rollover.run`; a program that reads JSON is told as well.
        """
        try:
            await self._run(key, self._start(key))
        except ScopeError as error:
            if self._report.as_json:
                self._report(Progress("failed", key.api_key, str(error)))
            raise

    async def _run_if_stored(self, key: ApiKey) -> bool:
        try:
            rollover = self._start(key)
            situation = await rollover.situation(key.api_key)
            if situation.is_stored or situation.successor is not None:
                await self._run(key, rollover)
            else:
                place = rollover.storage
                self._report(Progress("skipped", key.api_key, f"{place} holds neither it nor its successor"))
        except ScopeError as error:
            self._report(Progress("failed", key.api_key, str(error)))
            return False
        return True

    async def _run(self, key: ApiKey, rollover: Rollover) -> None:
        if not self._dry_run:
            await rollover.run(key.api_key)
            return
        situation = await rollover.situation(key.api_key)
        stuck = situation.step in (Step.ELSEWHERE, Step.REFUSE)
        detail = explained(situation, str(rollover.storage)) if stuck else situation.step.value
        self._report(Progress("planned", key.api_key, detail))


def _place(template: str, key: ApiKey) -> str:
    for name in ("name", "environment", "api_key"):
        template = template.replace(f"{{{name}}}", quote(getattr(key, name), safe=""))
    return template


def _age(key: ApiKey) -> float:
    return (datetime.now(UTC) - key.created_at).total_seconds()
