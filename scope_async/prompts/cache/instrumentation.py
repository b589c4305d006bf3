"""The events and the log of the prompt cache."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from scope_async import telemetry
from scope_async._core.clock import Clock
from scope_async._core.episode import ASK_DOCTOR, Episode
from scope_async._core.uuids import random_uuid
from scope_async.errors import ScopeError
from scope_async.http.failures import UNREADABLE, request_id_of
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.hooks import Emit

_logger = logging.getLogger("scope_async.prompts")


class CacheInstrumentation:
    """Reports what a reader got without an answer of the service.

    An outage is one `Episode` of the log, whichever prompts it affects; replies that cannot be read
    are another one, logged also in the middle of an outage.

    Attributes:
        has_problem: True from the first such report on until `answered` is called.
    """

    def __init__(self, failures: FailureBackoff, emit: Emit | None, clock: Clock) -> None:
        self._failures = failures
        self._emit = emit
        self._outage = Episode(_logger, clock, "prompts cannot be fetched", advice=ASK_DOCTOR)
        self._unreadable = Episode(_logger, clock, "replies of the service cannot be read", advice=ASK_DOCTOR)
        self.has_problem = False

    def answered(self) -> None:
        """Report that the service has answered for a prompt."""
        self._outage.recovered()
        self._unreadable.recovered()
        self.has_problem = self._outage.ongoing or self._unreadable.ongoing

    def unreadable(self, ref: PromptRef, error: ScopeError) -> None:
        """Log a reply that cannot be read, at once, since a copy may stand in and hide it."""
        if error.error_code == UNREADABLE:
            self._occurred("unreadable replies", ref, error, "%s: %s")

    def call_failed(self, ref: PromptRef, error: ScopeError) -> None:
        """Log that a call failed, since nothing stood in for the service."""
        self._occurred("failed calls", ref, error, "%s, and nothing stands in: %s", failing=True)

    def hit(self, ref: PromptRef, *, fresh: bool, request_id: str | None = None) -> None:
        """Emit that a version was served from memory."""
        if self._emit is not None:
            self._emit(
                telemetry.events.CacheHit(
                    prompt=ref.name, selector=ref.selector, fresh=fresh, request_id=request_id
                )
            )

    def stale(self, ref: PromptRef, age: float, error: ScopeError, request_id: str | None) -> None:
        """Log and emit that a copy, `age` seconds old, was served because of `error`."""
        self._occurred("stale copies served", ref, error, f"%s, serving a copy {age:.0f} s old: %s")
        if self._emit is not None:
            self._emit(
                telemetry.events.StaleServed(
                    prompt=ref.name,
                    selector=ref.selector,
                    age_ms=age * 1000,
                    error=type(error).__name__,
                    request_id=request_id or request_id_of(error),
                )
            )

    def warn_of_fallback(self, ref: PromptRef, error: ScopeError) -> None:
        """Log that the caller's fallback is going to be used."""
        self._occurred("fallbacks used", ref, error, "%s, using the caller's fallback: %s")

    def fallback_used(self, ref: PromptRef, error: ScopeError, request_id: str | None) -> None:
        """Emit that the caller's fallback was used."""
        if self._emit is not None:
            self._emit(
                telemetry.events.FallbackUsed(
                    prompt=ref.name,
                    selector=ref.selector,
                    error=type(error).__name__,
                    request_id=request_id or request_id_of(error),
                )
            )

    def _occurred(
        self, effect: str, ref: PromptRef, error: ScopeError, detail: str, *, failing: bool = False
    ) -> None:
        episode = self._unreadable if error.error_code == UNREADABLE else self._outage
        state = self._failures.get(ref.key)
        if not episode.ongoing and state is not None and state.failed_at < episode.ended_at:
            return  # what the last outage left behind: the service has answered since, for another prompt
        self.has_problem = True
        episode.occurred(effect, detail, ref, error, failing=failing)


class FetchInstrumentation:
    """Emits the start and the end of one caller's wait, in that caller's task."""

    __slots__ = ("_call_id", "_emit", "_monotonic", "_ref", "_started", "request_id")

    def __init__(self, ref: PromptRef, emit: Emit, monotonic: Callable[[], float]) -> None:
        self._ref = ref
        self._emit = emit
        self._monotonic = monotonic
        self._started = monotonic()
        self._call_id = ""
        self.request_id = ""

    def begin(self, request_id: str, *, shared: bool) -> None:
        """Emit which fetch is waited for; a second fetch in the same wait only changes the id."""
        self.request_id = request_id
        if self._call_id:
            return
        self._call_id = random_uuid()
        self._emit(
            telemetry.events.CacheMiss(
                call_id=self._call_id,
                prompt=self._ref.name,
                selector=self._ref.selector,
                request_id=request_id,
                shared=shared,
            )
        )

    def end(self, version: PromptVersion | None) -> None:
        """Emit what the caller got; without a version, the exception that is being handled."""
        if not self._call_id:
            return
        error = sys.exception() if version is None else None
        self._emit(
            telemetry.events.FetchWaited(
                call_id=self._call_id,
                prompt=self._ref.name,
                selector=self._ref.selector,
                request_id=self.request_id,
                outcome=_outcome(version),
                duration_ms=(self._monotonic() - self._started) * 1000,
                version_number=version.version_number if version is not None else None,
                error=type(error).__name__ if error is not None else None,
            )
        )


def _outcome(version: PromptVersion | None) -> str:
    if version is None:
        return "failed"
    if version.is_fallback:
        return "fallback"
    return "stale" if version.is_stale else "fetched"
