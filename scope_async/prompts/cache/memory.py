"""Prompt versions in memory, the least recently used of which go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

import attrs

from scope_async.prompts.reference import Key
from scope_async.prompts.version import PromptVersion, with_flags

_SWEEP_INTERVAL = 60.0
_NEVER = float("-inf")


@attrs.frozen(eq=False)
class CacheEntry:
    """One cached version; instants are monotonic seconds, `sequence` is the number of its fetch.

    Once `is_expired`, it is never fresh, and serves only while the service is unavailable.
    """

    version: PromptVersion
    stored_at: float
    ttl: float
    sequence: int
    fresh_until: float
    is_expired: bool = False

    @cached_property
    def stale_version(self) -> PromptVersion:
        """The version with `is_stale` set."""
        return with_flags(self.version, is_stale=True)


class PromptCache:
    """Stores at most `max_entries` versions, each until `retention` seconds after its freshness.

    Does no I/O. Readers may be in any thread; versions are put by one at a time.
    """

    def __init__(self, *, max_entries: int, retention: float, monotonic: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._retention = retention
        self._monotonic = monotonic
        self._entries: OrderedDict[Key, CacheEntry] = OrderedDict()
        self._swept_at = monotonic()

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> dict[Key, CacheEntry]:
        """Return all entries as they are now; callable from any thread."""
        return dict(list(self._entries.items()))

    def get_fresh(self, key: Key) -> PromptVersion | None:
        """Return the version for `key` if it is fresh, else None."""
        # The policy's answer to nearly every read, given without the policy.
        entry = self._entries.get(key)
        if entry is not None and self._monotonic() < entry.fresh_until:
            try:  # noqa: SIM105 - suppress() would cost every read more
                self._entries.move_to_end(key)
            except KeyError:  # another thread has just removed it
                pass
            return entry.version
        return None

    def get(self, key: Key) -> CacheEntry | None:
        """Return the entry for `key`; drop it if its retention is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._monotonic() >= entry.stored_at + entry.ttl + self._retention:
            self._entries.pop(key, None)
            return None
        with suppress(KeyError):  # another thread has just removed it
            self._entries.move_to_end(key)
        return entry

    def put(
        self, key: Key, version: PromptVersion, *, stored_at: float, ttl: float, sequence: int
    ) -> CacheEntry | None:
        """Store a version unless that of a later fetch is there; return the entry that was there."""
        previous = self._entries.get(key)
        if previous is not None and previous.sequence > sequence:
            return previous
        self._entries.pop(key, None)
        self._entries[key] = CacheEntry(version, stored_at, ttl, sequence, stored_at + ttl)
        if stored_at - self._swept_at >= _SWEEP_INTERVAL:
            self._sweep(stored_at)
        while len(self._entries) > self._max_entries:
            with suppress(KeyError):  # another thread has just cleared it
                self._entries.popitem(last=False)
        return previous

    def has_later(self, key: Key, sequence: int) -> bool:
        """Return True if the entry for `key` is that of a later fetch than `sequence`."""
        entry = self._entries.get(key)
        return entry is not None and entry.sequence > sequence

    def delete(self, key: Key, *, before: int) -> None:
        """Remove the entry for `key` if its fetch is earlier than `before`."""
        entry = self._entries.get(key)
        if entry is not None and entry.sequence < before:
            self._entries.pop(key, None)

    def expire(self, key: Key, *, before: int) -> None:
        """End the freshness of the entry for `key` if its fetch is earlier than `before`."""
        entry = self._entries.get(key)
        if entry is not None and entry.sequence < before:
            self._entries[key] = attrs.evolve(entry, fresh_until=_NEVER, is_expired=True)

    def delete_prompt(self, name: str) -> None:
        """Remove all versions of the prompt with this name or id."""
        for key, entry in list(self._entries.items()):
            asked = key if isinstance(key, str) else key[0]
            if name in (asked, entry.version.name, entry.version.prompt_id):
                self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all versions."""
        self._entries.clear()

    def _sweep(self, now: float) -> None:
        """Drop what is past its retention; it looks at every entry, so once a minute is enough."""
        self._swept_at = now
        past = [
            key
            for key, entry in list(self._entries.items())
            if now >= entry.stored_at + entry.ttl + self._retention
        ]
        for key in past:
            self._entries.pop(key, None)
