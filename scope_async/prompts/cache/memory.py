"""Prompt versions in memory: how long they are fresh, and how long they are good for something."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from scope_async.prompts.reference import Key
from scope_async.prompts.version import PromptVersion, with_flags

_SWEEP_EVERY = 60.0


class Entry:
    """One cached version; instants are monotonic seconds, `ticket` is the order of its fetch."""

    __slots__ = ("_stale", "fresh_until", "stored_at", "ticket", "ttl", "version")

    def __init__(self, version: PromptVersion, stored_at: float, ttl: float, ticket: int) -> None:
        self.version = version
        self.stored_at = stored_at
        self.ttl = ttl
        self.fresh_until = stored_at + ttl
        self.ticket = ticket
        self._stale: PromptVersion | None = None

    @property
    def stale_version(self) -> PromptVersion:
        if self._stale is None:
            self._stale = with_flags(self.version, is_stale=True)
        return self._stale

    def fresh_for(self, ttl: float | None) -> float:
        """Return until when it is fresh to a reader who wants answers no older than `ttl` seconds."""
        if ttl is None or self.expired:
            return self.fresh_until
        return self.stored_at + ttl

    def expire(self) -> None:
        """Let it be good for nothing but errors from now on."""
        self.fresh_until = float("-inf")

    @property
    def expired(self) -> bool:
        return self.fresh_until == float("-inf")


class PromptCache:
    """At most `max_entries` versions; the least recently used goes first. Does no I/O.

    A version is fresh for its time to live; for `stale_while_revalidate` seconds more it may
    be served while it is renewed, and for `stale_if_error` seconds it may stand in for a
    failing service (RFC 5861). After both it is dropped.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        stale_while_revalidate: float,
        stale_if_error: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._max_entries = max_entries
        self._while_revalidate = stale_while_revalidate
        self._if_error = stale_if_error
        self._monotonic = monotonic
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._swept_at = monotonic()

    def __len__(self) -> int:
        return len(self._entries)

    def fresh(self, key: Key) -> PromptVersion | None:
        """Return the version that needs no further thought; None when there is none."""
        entry = self._entries.get(key)
        if entry is not None and self._monotonic() < entry.fresh_until:
            self._entries.move_to_end(key)
            return entry.version
        return None

    def known(self, key: Key) -> PromptVersion | None:
        """Return the version last stored for `key`, whatever its age."""
        entry = self._entries.get(key)
        return None if entry is None else entry.version

    def find(self, key: Key) -> Entry | None:
        """Return the entry for `key` while it is good for anything."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._dead(entry):
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def is_fresh(self, entry: Entry, ttl: float | None = None) -> bool:
        """Tell whether it answers a reader who wants answers no older than `ttl` seconds."""
        return self._monotonic() < entry.fresh_for(ttl)

    def may_revalidate(self, entry: Entry, ttl: float | None = None) -> bool:
        """Tell whether it may be served while it is renewed (RFC 5861 section 3)."""
        return self._monotonic() < entry.fresh_for(ttl) + self._while_revalidate

    def may_stand_in(self, entry: Entry) -> bool:
        """Tell whether it may be served since the service fails (RFC 5861 section 4)."""
        return self._monotonic() < entry.stored_at + entry.ttl + self._if_error

    def has_stand_in(self, key: Key) -> bool:
        """Tell whether there is an entry for `key` that may stand in."""
        entry = self.find(key)
        return entry is not None and self.may_stand_in(entry)

    def age(self, entry: Entry) -> float:
        """Return the seconds since the service was asked for it."""
        return self._monotonic() - entry.stored_at

    def put(self, key: Key, entry: Entry) -> Entry | None:
        """Store `entry`, unless what is there was asked for later; return what was there."""
        there = self._entries.get(key)
        if there is not None and there.ticket > entry.ticket:
            return there
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if entry.stored_at - self._swept_at >= _SWEEP_EVERY:
            self._sweep(entry.stored_at)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return there

    def is_newer(self, key: Key, *, than: int) -> bool:
        """Tell whether the version for `key` was asked for after the ticket `than`."""
        entry = self._entries.get(key)
        return entry is not None and entry.ticket > than

    def drop(self, key: Key, *, before: int) -> None:
        """Forget the version for `key` if it was asked for before the ticket `before`."""
        entry = self._entries.get(key)
        if entry is not None and entry.ticket < before:
            del self._entries[key]

    def expire(self, key: Key, *, before: int) -> None:
        """Make the next reader ask the service, if what is there was asked for before `before`."""
        entry = self._entries.get(key)
        if entry is not None and entry.ticket < before:
            entry.expire()

    def drop_prompt(self, name: str) -> None:
        """Forget all versions of the prompt that has this name or id."""
        for key, entry in list(self._entries.items()):
            asked = key if isinstance(key, str) else key[0]
            if name in (asked, entry.version.name, entry.version.prompt_id):
                del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()

    def _dead(self, entry: Entry) -> bool:
        longest = max(self._while_revalidate, self._if_error)
        return self._monotonic() >= entry.stored_at + entry.ttl + longest

    def _sweep(self, now: float) -> None:
        """Drop what is good for nothing; once a minute is often enough, since it looks at every entry."""
        self._swept_at = now
        for key in [key for key, entry in self._entries.items() if self._dead(entry)]:
            del self._entries[key]
