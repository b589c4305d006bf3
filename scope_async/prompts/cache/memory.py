"""Prompt versions in memory, the least recently used of which go first."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from scope_async._core.inherited import fork_safe_lock
from scope_async.prompts.conditional import FetchedVersion, Validator
from scope_async.prompts.reference import Key, name_of
from scope_async.prompts.version import PromptVersion, raw_json, with_flags

_SWEEP_INTERVAL = 60.0
_NEVER = float("-inf")

_FIXED_SIZE = 2048
"""Bytes of an entry whose content is empty: its objects, its fields, its place in the dictionary."""


def size_of(version: PromptVersion) -> int:
    """Return about how many bytes a cached version takes: the reply, its text, and the compiled text."""
    return _FIXED_SIZE + len(raw_json(version)) + 2 * sys.getsizeof(version.content)


# Freezing it would cost each answer as much as all else that the cache does with it.
class CacheEntry(msgspec.Struct, eq=False):
    """One cached version; instants are monotonic seconds, `sequence` is the number of its fetch.

    `validator` makes the next request for it conditional. Once `is_expired`, it is never fresh, and
    serves only while the service is unavailable. `size` is in bytes.
    """

    version: PromptVersion
    stored_at: float
    ttl: float
    sequence: int
    fresh_until: float
    is_expired: bool = False
    validator: Validator | None = None
    size: int = 0
    _stale_version: PromptVersion | None = None

    @property
    def stale_version(self) -> PromptVersion:
        """The version with `is_stale` set, made once."""
        if self._stale_version is None:
            self._stale_version = with_flags(self.version, is_stale=True)
        return self._stale_version


class PromptCache:
    """Stores at most `max_entries` versions in about `max_bytes`, each for its `ttl` and `retention`.

    A version that is larger than `max_bytes` alone is not stored. Does no I/O. Callable from any
    thread: reads of what is fresh take no lock, changes do.

    Attributes:
        lock: each change holds it; hold it yourself for `put`, and to make one step of several.
        retention: seconds after its `ttl` for which a version is kept.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        retention: float,
        monotonic: Callable[[], float],
        max_bytes: int = sys.maxsize,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self.retention = retention
        self._monotonic = monotonic
        self._entries: OrderedDict[Key, CacheEntry] = OrderedDict()
        self._bytes = 0
        self.lock = fork_safe_lock()
        self._swept_at = monotonic()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The size of all entries, in bytes."""
        return self._bytes

    def entries(self) -> dict[Key, CacheEntry]:
        """Return all entries as they are now."""
        with self.lock:
            return dict(self._entries)

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
        if self._monotonic() >= entry.stored_at + entry.ttl + self.retention:
            self.delete(key, before=entry.sequence + 1)
            return None
        try:  # noqa: SIM105 - as above
            self._entries.move_to_end(key)
        except KeyError:
            pass
        return entry

    def put(
        self, key: Key, fetched: FetchedVersion, stored_at: float, ttl: float, sequence: int
    ) -> CacheEntry | None:
        """Store a version unless that of a later fetch is there; return the entry that was there.

        Call it while you hold `lock`.
        """
        version = fetched.version
        if stored_at - self._swept_at >= _SWEEP_INTERVAL:
            self._sweep(stored_at)
        previous = self._entries.get(key)
        if previous is not None and previous.sequence > sequence:
            return previous
        unchanged = previous is not None and previous.version is version
        size = previous.size if previous is not None and unchanged else size_of(version)
        if size > self._max_bytes:
            self._remove(key)
            return previous
        self._entries[key] = CacheEntry(
            version, stored_at, ttl, sequence, stored_at + ttl, False, fetched.validator, size
        )
        self._entries.move_to_end(key)
        self._bytes += size if previous is None else size - previous.size
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self._bytes -= evicted.size
        return previous

    def delete(self, key: Key, *, before: int) -> None:
        """Remove the entry for `key` if its fetch is earlier than `before`."""
        with self.lock:
            entry = self._entries.get(key)
            if entry is not None and entry.sequence < before:
                self._remove(key)

    def expire(self, key: Key, *, before: int) -> None:
        """End the freshness of the entry for `key` if its fetch is earlier than `before`."""
        with self.lock:
            entry = self._entries.get(key)
            if entry is not None and entry.sequence < before:
                self._entries[key] = msgspec.structs.replace(entry, fresh_until=_NEVER, is_expired=True)

    def lapse(self) -> None:
        """End the freshness of all versions now; they are still served while they are revalidated."""
        now = self._monotonic()
        with self.lock:
            for key, entry in self._entries.items():
                self._entries[key] = msgspec.structs.replace(entry, fresh_until=min(entry.fresh_until, now))

    def delete_prompt(self, name: str) -> None:
        """Remove all versions of the prompt with this name or id."""
        for key, entry in self.entries().items():
            if name in (name_of(key), entry.version.name, entry.version.prompt_id):
                self.delete(key, before=entry.sequence + 1)

    def clear(self) -> None:
        """Remove all versions."""
        with self.lock:
            self._entries.clear()
            self._bytes = 0

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size

    def _sweep(self, now: float) -> None:
        """Drop what is past its retention; it looks at every entry, so once a minute is enough."""
        self._swept_at = now
        past = [
            key for key, entry in self._entries.items() if now >= entry.stored_at + entry.ttl + self.retention
        ]
        for key in past:
            self._remove(key)
