"""A provider's last answer, kept for 5 s so that a burst of exchanges asks its manager once."""

from __future__ import annotations

import attrs

from scope_async._core.clock import Clock
from scope_async.credentials import ApiKeyCredentials

REMEMBERED_FOR = 5.0
"""Seconds in which an answer is given again without asking the manager."""


@attrs.frozen
class Answer:
    """Credentials, the manager's version of them if it has versions, and when it was asked."""

    credentials: ApiKeyCredentials
    version: str | None
    asked_at: float


class AnswerMemory:
    """The last answer: given again for 5 s unless its credentials are refused, known by version after that.

    Every method may be called from any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: Answer | None = None
        self._valid_after = float("-inf")

    def fresh(self) -> ApiKeyCredentials | None:
        """Return the credentials of the last 5 s, None when the manager has to be asked."""
        last = self._last
        if last is None or last.asked_at <= self._valid_after:
            return None
        return last.credentials if self._clock.monotonic() - last.asked_at < REMEMBERED_FOR else None

    def known(self, version: str | None) -> ApiKeyCredentials | None:
        """Return the credentials of that version when it was the last one, so that it is read once."""
        last = self._last
        return (
            last.credentials if last is not None and version is not None and last.version == version else None
        )

    def put(self, answer: Answer) -> None:
        self._last = answer

    def forget(self) -> None:
        """Ask the manager again, which has just been given something else."""
        self._last, self._valid_after = None, self._clock.monotonic()

    def refuse(self, credentials: ApiKeyCredentials) -> None:
        """Ask the manager again if these are the last ones; also for an answer already under way."""
        last = self._last
        if last is not None and last.credentials == credentials:
            self._valid_after = self._clock.monotonic()
