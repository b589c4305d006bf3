"""What the hooks are told of one caller's wait for a fetch that it may share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from uuid import uuid4

from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import CacheMiss, Emit, FetchWaited


class FetchInstrumentation:
    """Tells the beginning and the end of a wait, in the task of the caller that waits."""

    __slots__ = ("_began", "_call_id", "_emit", "_monotonic", "_selection", "request_id")

    def __init__(self, selection: PromptRef, emit: Emit, monotonic: Callable[[], float]) -> None:
        self._selection = selection
        self._emit = emit
        self._monotonic = monotonic
        self._began = monotonic()
        self._call_id = ""
        self.request_id: str | None = None

    def begin(self, request_id: str, *, shared: bool) -> None:
        """Tell which fetch is waited for. A fetch that was killed may have a successor."""
        self.request_id = request_id
        if self._call_id:
            return
        self._call_id = str(uuid4())
        self._emit(
            CacheMiss(
                call_id=self._call_id,
                prompt=self._selection.name,
                selector=self._selection.selector,
                request_id=request_id,
                shared=shared,
            )
        )

    def end(self, version: PromptVersion | None) -> None:
        """Tell what the caller got; without a version, the error that is on its way to it."""
        if not self._call_id:
            return
        error = sys.exception() if version is None else None
        self._emit(
            FetchWaited(
                call_id=self._call_id,
                prompt=self._selection.name,
                selector=self._selection.selector,
                request_id=self.request_id or "",
                outcome=_outcome(version),
                duration_ms=(self._monotonic() - self._began) * 1000,
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
