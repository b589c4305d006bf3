"""The events and the log of the prompt cache."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from uuid import uuid4

from scope_async.errors import ScopeError
from scope_async.http.instrumentation import request_id_of
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import CacheHit, CacheMiss, Emit, FallbackUsed, FetchWaited, StaleServed

_logger = logging.getLogger("scope_async.prompts")


class CacheInstrumentation:
    """Reports what a reader was served without an answer; logs an outage once per prompt."""

    def __init__(self, failures: FailureBackoff, emit: Emit | None) -> None:
        self._failures = failures
        self._emit = emit

    def hit(self, ref: PromptRef, *, fresh: bool, request_id: str | None = None) -> None:
        """Emit that a version was served from memory."""
        if self._emit is not None:
            self._emit(CacheHit(prompt=ref.name, selector=ref.selector, fresh=fresh, request_id=request_id))

    def stale(self, ref: PromptRef, age: float, error: ScopeError, request_id: str | None) -> None:
        """Log and emit that a copy, `age` seconds old, was served because of `error`."""
        if self._failures.report(ref.key, error):
            _logger.warning(
                "%s cannot be fetched, serving the last good version, %.0f s old: %s", ref, age, error
            )
        if self._emit is not None:
            self._emit(
                StaleServed(
                    prompt=ref.name,
                    selector=ref.selector,
                    age_ms=age * 1000,
                    error=type(error).__name__,
                    request_id=request_id or request_id_of(error),
                )
            )

    def warn_of_fallback(self, ref: PromptRef, error: ScopeError) -> None:
        """Log that the caller's fallback is going to be used."""
        # A failure that is not recorded is that of one caller alone.
        if self._failures.get(ref.key) is None or self._failures.report(ref.key, error):
            _logger.warning("%s cannot be fetched, using the caller's fallback: %s", ref, error)

    def fallback_used(self, ref: PromptRef, error: ScopeError, request_id: str | None) -> None:
        """Emit that the caller's fallback was used."""
        if self._emit is not None:
            self._emit(
                FallbackUsed(
                    prompt=ref.name,
                    selector=ref.selector,
                    error=type(error).__name__,
                    request_id=request_id or request_id_of(error),
                )
            )


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
        self._call_id = str(uuid4())
        self._emit(
            CacheMiss(
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
            FetchWaited(
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
