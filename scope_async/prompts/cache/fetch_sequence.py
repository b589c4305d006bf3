"""The order of fetches: which answer is too late to be stored."""

from __future__ import annotations

from scope_async._core.inherited import fork_safe_lock
from scope_async.prompts.reference import Key, PromptRef


class FetchSequence:
    """Numbers the fetches, and knows which of them an invalidation or a later answer has overtaken.

    Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = fork_safe_lock()
        self._last = 0
        self._all_up_to = 0
        self._prompts_up_to: dict[str, int] = {}
        self._answered: dict[Key, int] = {}
        self._in_flight = 0

    def begin(self) -> int:
        """Return the number of a fetch that starts now; call `end` once when its answer is recorded."""
        with self._lock:
            self._last += 1
            self._in_flight += 1
            return self._last

    def end(self, sequence: int, ref: PromptRef, *, answered: bool) -> bool:
        """Return True unless its prompt was invalidated, or a later fetch `answered`, while it was in flight.

        A 404 is an answer too: it is not to be undone by what was asked for before.
        """
        with self._lock:
            self._in_flight -= 1
            accepted = self.accepts(sequence, ref)
            if not self._in_flight:
                # Only fetches in flight can be too old, so there is nothing left to remember.
                self._prompts_up_to = {}
                self._answered = {}
            elif answered and sequence > self._answered.get(ref.key, 0):
                self._answered[ref.key] = sequence
            return accepted

    def accepts(self, sequence: int, ref: PromptRef) -> bool:
        """Return True unless a later answer or an invalidation has overtaken the fetch."""
        return sequence > max(self._answered.get(ref.key, 0), self.invalidated_up_to(ref.name))

    def invalidate(self, name: str | None = None) -> None:
        """Overtake all fetches in flight, of one prompt or of all."""
        with self._lock:
            if name is None:
                self._last += 1
                self._all_up_to = self._last
            elif self._in_flight:
                self._last += 1
                self._prompts_up_to[name] = self._last

    def invalidated_up_to(self, name: str) -> int:
        """Return the number that a fetch of this prompt must be later than to be stored."""
        prompts = self._prompts_up_to
        if not prompts:
            return self._all_up_to
        return max(self._all_up_to, prompts.get(name, 0))
