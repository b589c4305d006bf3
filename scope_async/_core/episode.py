"""`Episode`: one problem in the log, reported once, however many calls it affects."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scope_async._core.clock import Clock

INTERVAL = 60.0
"""Seconds between two lines about the same episode."""

RELAPSE = 600.0
"""Seconds. An episode that begins within them after the last one ends only after as many without failure."""


ASK_DOCTOR = "`scope-async doctor` says what to do"


class Episode:
    """One line when a problem begins, one a minute with counts while it lasts, one when it ends.

    All of them are warnings; they are errors from the moment on at which calls fail, which is a line of
    its own. A problem that comes and goes (every other call fails) is one episode. Nothing runs in the
    background: a report writes the line that is due. Callable from any thread; of two reports at the
    same moment one may go uncounted.

    Args:
        logger: where the lines go.
        clock: its `time` is shown, durations are those of `monotonic`.
        problem: what is wrong, in words that every line begins with.
        advice: what to do, at the end of every line but the last.
        quiet: seconds without a failure that `recovered` takes to end the episode.

    Attributes:
        ongoing: True from its first line until its last.
        ended_at: when the last one ended, in monotonic seconds.
    """

    def __init__(
        self, logger: logging.Logger, clock: Clock, problem: str, *, advice: str = "", quiet: float = 0.0
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._problem = problem
        self._advice = f"; {advice}" if advice else ""
        self._quiet = quiet
        self._began_at = self._began_on = 0.0
        self._last_at = self._said_at = float("-inf")
        self.ended_at = float("-inf")
        self._level = logging.WARNING
        self._effects: Counter[str] = Counter()
        self._extra: Mapping[str, Any] | None = None
        self._relapsed = False
        self.ongoing = False

    def occurred(
        self,
        effect: str,
        detail: str,
        *values: object,
        failing: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> bool:
        """Count one `effect`; write a line if it is time for one, and return True then.

        `detail` is a format for `values`, as in `logging`; `failing` says that a call failed, and `extra`
        is that of the record.
        """
        now = self._clock.monotonic()
        began = not self.ongoing
        worse = failing and self._level == logging.WARNING
        if began:
            self.ongoing, self._relapsed = True, now - self.ended_at < RELAPSE
            self._began_at, self._began_on = now, self._clock.time()
            self._effects = Counter()
        self._last_at = now
        self._effects[effect] += 1
        if failing:
            self._level = logging.ERROR
        if not (began or worse or now - self._said_at >= INTERVAL):
            return False
        self._said_at, self._extra = now, extra
        summary = "" if began else f", {self._summary(now)}"
        form = f"%s%s: {detail}%s"
        self._logger.log(self._level, form, self._problem, summary, *values, self._advice, extra=extra)
        return True

    def recovered(self) -> None:
        """Note a success: write the last line, unless there was a failure too short a time ago."""
        if not self.ongoing:
            return
        now = self._clock.monotonic()
        if now - self._last_at < (RELAPSE if self._relapsed else self._quiet):
            return
        self._logger.log(
            self._level, "%s: over, %s", self._problem, self._summary(self._last_at), extra=self._extra
        )
        self.ongoing, self.ended_at, self._level = False, now, logging.WARNING

    def _summary(self, until: float) -> str:
        since = datetime.fromtimestamp(self._began_on, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        effects = ", ".join(f"{effect}: {times}" for effect, times in list(self._effects.items()))
        return f"since {since} for {_duration(until - self._began_at)} ({effects})"


def _duration(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
