"""Replaces one API key without downtime: make its successor, store it, wait, revoke."""

from __future__ import annotations

from typing import Any

from scope_async._core.clock import Clock
from scope_async.cli.durations import about
from scope_async.cli.rollover.idle import IdleWatch
from scope_async.cli.rollover.progress import Progress, Report
from scope_async.cli.rollover.steps import Situation, Step
from scope_async.cli.rollover.verification import Verification
from scope_async.cli.secret_storage import SecretStorage, make_and_store
from scope_async.errors import ConflictError, NotFoundError, ScopeError, TimeoutError
from scope_async.http.failures import is_unavailable
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey, NewApiKey

OVERLAP = 30 * 86_400
"""Seconds that the old key stays valid unless it is revoked: the most that the service grants."""

_POLL = 30.0
_RISK = (
    "a process that was given {key} itself, and does not read {place}, is not seen while it is quiet, "
    "and fails once the key is revoked"
)


class Rollover:
    """Replaces one API key by one whose secret goes straight into `storage`.

    What has been done is read from the service and from `storage`, so that an interrupted rollover
    is taken up by another one, also on another machine. Two at once do no harm: they make one successor.

    Args:
        admin: of the organization.
        storage: where the services that use the key read it.
        verification: exchanges the stored credentials for a token.
        idle: seconds without use after which the old key is revoked; more where tokens live longer.
        timeout: seconds to wait for that.
        clock: for the waiting.
        report: is called with each step.
    """

    def __init__(
        self,
        admin: ApiKeyAdmin,
        storage: SecretStorage,
        verification: Verification,
        *,
        idle: float,
        timeout: float,
        clock: Clock,
        report: Report,
    ) -> None:
        self._admin = admin
        self.storage = storage
        self._verification = verification
        self._idle = idle
        self._timeout = timeout
        self._clock = clock
        self._report = report

    async def situation(self, api_key: str) -> Situation:
        """Return where the rollover of a key is now; changes nothing."""
        key = await self._admin.get(api_key)
        held = await self.storage.read()
        if held is None:
            return Situation(key, None)
        if held.api_key == api_key:
            return Situation(key, key)
        try:
            return Situation(key, await self._admin.get(held.api_key))
        except NotFoundError:
            raise ConflictError(
                f"{self.storage} holds {held.api_key}, which this organization does not have"
            ) from None

    async def run(self, api_key: str) -> None:
        """Return once the key is revoked, or has ended by itself, and its successor is stored.

        Raises:
            TimeoutError: it is still used after `timeout`; it was not revoked.
            ConflictError: a person has to look at what is stored, or at the key.
            ScopeError: the service or the storage refused or did not answer.
        """
        situation = await self.situation(api_key)
        if situation.step is Step.MAKE:
            await self._make(situation.key)
            situation = await self.situation(api_key)
        key, successor = situation.key, situation.successor
        if successor is None:
            raise ConflictError(explained(situation, str(self.storage)))
        if key.is_active:
            key = await self._wait(key, successor)
        if key.is_active:
            key = await self._admin.revoke(key.api_key, reason=f"replaced by {successor.api_key}")
            self._report_step("revoked", key, f"revoked {key.api_key}", successor=successor.api_key)
        self._report_step("done", key, f"{successor.api_key} replaces {api_key}", successor=successor.api_key)

    async def _make(self, key: ApiKey) -> None:
        """Make the successor, or fetch the one that an interrupted rollover made, and store it."""
        made = [] if key.replaced_by is None else await self._successors(key)
        new = await make_and_store(self._admin, lambda: self._rotate(key, made), self.storage)
        self._report_step(
            "stored", key, f"{self.storage} holds {new.api_key}, and no other place", successor=new.api_key
        )

    async def _successors(self, key: ApiKey) -> list[ApiKey]:
        """Return the keys that were made to replace `key`, the newest first."""
        return [other async for other in self._admin.list() if other.replaces == key.api_key]

    async def _rotate(self, key: ApiKey, made: list[ApiKey]) -> NewApiKey:
        if made and made[0].is_active:
            # An earlier run may have been interrupted before it stored this one; then the same request gets
            # the same secret again, or a conflict says that this was the request and the secret is lost.
            try:
                return await self._request_successor(key, len(made) - 1)
            except ConflictError as error:
                if not (error.error_code or "").startswith("idempotency_key"):
                    raise ConflictError(
                        f"{key.api_key} was replaced by {made[0].api_key} otherwise: store that key's secret "
                        f"in {self.storage} or revoke it, and run this again"
                    ) from None
            await self._admin.revoke(made[0].api_key, reason="its secret was lost before it was stored")
        return await self._request_successor(key, len(made))

    async def _request_successor(self, key: ApiKey, number: int) -> NewApiKey:
        """Make the successor of that number: one, however often this is sent within ten minutes."""
        new = await self._admin.rotate(
            key.api_key,
            overlap=OVERLAP,
            again=number > 0,
            idempotency_key=f"rollover {key.api_key} {number}",
        )
        self._report_step("made", key, f"made {new.api_key}, which will replace it", successor=new.api_key)
        return new

    async def _wait(self, key: ApiKey, successor: ApiKey) -> ApiKey:
        """Return the old key once it has been idle for long enough, or has ended by itself."""
        self._report_step(
            "risk", key, _RISK.format(key=key.api_key, place=self.storage), successor=successor.api_key
        )
        started = self._clock.monotonic()
        watch = IdleWatch(self._idle, successor.created_at)
        while True:
            try:
                key, is_over = await self._look(key, successor, watch)
            except ScopeError as error:
                if not is_unavailable(error):
                    raise
                self._report_step("unreachable", key, f"{error}; trying again")
            else:
                if is_over or not key.is_active:
                    return key
            now = self._clock.monotonic()
            if now - started >= self._timeout:
                raise TimeoutError(self._still_used(key, watch, now))
            left = min(watch.needed - watch.seconds(now), self._timeout - (now - started))
            await self._clock.sleep(min(_POLL, max(left, 0.1)))

    async def _look(self, key: ApiKey, successor: ApiKey, watch: IdleWatch) -> tuple[ApiKey, bool]:
        """Return the old key as it is now, and whether it may be revoked.

        At first and before the end, the stored credentials are tried: they must work before the old
        ones stop, the token says how long a quiet process may go on, and their use what time it is there.
        """
        clock, admin = self._clock, self._admin
        key = await admin.get(key.api_key)
        changed = watch.observe(key, clock.monotonic())
        is_over = False
        if key.is_active and (not watch.is_verified or watch.seconds(clock.monotonic()) >= watch.needed):
            lifetime = await self._verify(successor)
            used_at = (await admin.get(successor.api_key)).last_used_at
            watch.verified(lifetime, used_at, clock.monotonic())
            key = await admin.get(key.api_key)
            changed |= watch.observe(key, clock.monotonic())
            is_over = watch.seconds(clock.monotonic()) >= watch.needed
        self._report_waiting(key, successor, watch, changed=changed)
        return key, is_over

    async def _verify(self, successor: ApiKey) -> float:
        """Return the life of the token that the stored credentials get.

        Raises:
            ConflictError: they are not the successor's any more.
            ScopeError: they get no token.
        """
        held = await self.storage.read()
        if held is None or held.api_key != successor.api_key:
            raise ConflictError(f"{self.storage} does not hold {successor.api_key} any more")
        return await self._verification.token_lifetime(held)

    def _still_used(self, key: ApiKey, watch: IdleWatch, now: float) -> str:
        by = f" by {key.last_used_by}" if key.last_used_by else ""
        return (
            f"after {about(self._timeout)}, {key.api_key} has been idle for {about(watch.seconds(now))} of "
            f"{about(watch.needed)}; last used{by}. It works on: run this again to go on waiting"
        )

    def _report_waiting(self, key: ApiKey, successor: ApiKey, watch: IdleWatch, *, changed: bool) -> None:
        seconds = max(watch.seconds(self._clock.monotonic()), 0.0)
        who = f", last used by {key.last_used_by}" if key.last_used_by else ""
        self._report_step(
            "waiting",
            key,
            f"idle for {about(seconds)} of {about(watch.needed)}{who}",
            successor=successor.api_key,
            idle=round(seconds, 1),
            needed=watch.needed,
            changed=changed,
        )

    def _report_step(self, event: str, key: ApiKey, detail: str, **facts: Any) -> None:
        self._report(
            Progress(
                event,
                key.api_key,
                detail,
                last_used_at=key.last_used_at,
                last_used_by=None if key.last_used_by is None else str(key.last_used_by),
                **facts,
            )
        )


def explained(situation: Situation, place: str) -> str:
    """Return why a rollover cannot go on by itself."""
    key, stored = situation.key, situation.stored
    if stored is not None and not situation.is_stored:
        return f"{place} holds {stored.api_key}, which is neither {key.api_key} nor its successor"
    if key.is_active:
        return f"{place} does not hold the successor of {key.api_key} any more"
    return f"{key.api_key} is {key.status} and {place} holds no successor of it: make a new key"
