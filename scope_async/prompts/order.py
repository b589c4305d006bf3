"""The order in which the service was asked: what an answer may replace."""

from __future__ import annotations


class FetchOrder:
    """Numbers the fetches, so that an answer asked for earlier never replaces a later one.

    An answer asked for before its prompt was invalidated is not stored at all.
    """

    def __init__(self) -> None:
        self._last = 0
        self._everything = 0
        self._prompts: dict[str, int] = {}
        self._under_way = 0

    def begin(self) -> int:
        """Return the ticket of a fetch that starts now; call `end` once when it has ended."""
        self._last += 1
        self._under_way += 1
        return self._last

    def end(self) -> None:
        self._under_way -= 1
        if self._prompts and not self._under_way:
            # Only fetches under way can be too old, so there is nothing left to remember.
            self._prompts.clear()

    def invalidate(self, name: str) -> None:
        """Reject the answers of all fetches for this prompt that are under way."""
        if self._under_way:
            self._last += 1
            self._prompts[name] = self._last

    def invalidate_all(self) -> None:
        """Reject the answers of all fetches that are under way."""
        self._last += 1
        self._everything = self._last

    def oldest(self, name: str) -> int:
        """Return the ticket that an answer for this prompt must be later than."""
        if not self._prompts:
            return self._everything
        return max(self._everything, self._prompts.get(name, 0))
