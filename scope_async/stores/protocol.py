"""`SharedStore`: what an engine offers to the token source and the prompt cache.

An engine keeps opaque bytes under opaque names: what it is given is encrypted already. Names,
tags and namespaces are made of `[0-9a-f]`. Lifetimes are in seconds, never instants: the clocks
of two hosts may differ.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Literal, Protocol, TypeVar, runtime_checkable

import attrs

from scope_async.errors import ScopeError

Answer = TypeVar("Answer")


class StoreUnavailableError(ScopeError):
    """The store gave no answer in time, or a wrong one; go on without it. Internal to the package."""


@attrs.frozen
class StoredEntry:
    """An entry of a store: `version` is unique for each write, `expires_in` the seconds of life left."""

    content: bytes = attrs.field(repr=False)
    version: str
    expires_in: float


@attrs.frozen
class Lease:
    """The right to write one entry, for a limited time.

    `epoch` is random and new whenever the store lost what it knew; `counter` grows within an
    epoch (a fencing token); `owner` is random for each attempt. The store checks the three
    together, in the same step as the write. `acquired_at` is an instant of the store's own clock.
    """

    namespace: str
    name: str
    epoch: str
    counter: int
    owner: str = attrs.field(repr=False)
    acquired_at: int

    @property
    def version(self) -> str:
        """The version of the entry that is written under this lease."""
        return f"{self.epoch}-{self.counter}"

    @property
    def proof(self) -> str:
        """All that the store compares, as one text."""
        return f"{self.epoch}:{self.counter}:{self.owner}:{self.acquired_at}"


@attrs.frozen
class LeaseHeld:
    """Another owner has the lease; unless it is renewed or released, it ends in `expires_in` seconds."""

    expires_in: float


async def checked(answer: Awaitable[Answer], *kinds: type) -> Answer:
    """Return what an engine answers, which is of one of these types; the engine may be anyone's.

    Raises:
        TypeError: it is of another type, or a field of it is.
    """
    found: Answer = await answer
    is_one = isinstance(found, kinds)
    if isinstance(found, StoredEntry):
        is_one = is_one and isinstance(found.content, bytes) and isinstance(found.version, str)
    if isinstance(found, StoredEntry | LeaseHeld):
        seconds: object = found.expires_in
        is_one = is_one and isinstance(seconds, float | int) and not math.isnan(seconds)
    if not is_one:
        raise TypeError(f"the engine answered with a {type(found).__name__} that the protocol does not have")
    return found


ChangeKind = Literal["put", "deleted", "released", "invalidated", "resync"]


@attrs.frozen
class Change:
    """Something that happened in a namespace.

    `put` and `deleted` name an entry and its version, `released` a lease that ended without a
    write, `invalidated` a tag (empty: all tagged entries). `resync` says that changes may have
    been missed.
    """

    kind: ChangeKind
    name: str = ""
    version: str = ""


@runtime_checkable
class SharedStore(Protocol):
    """Entries that processes share, written under leases.

    Every operation is atomic, may be called from any task of any event loop, and may raise
    anything when the store cannot be reached: callers bound its time and treat a failure as an
    absent store. An operation that is repeated with the same arguments does nothing twice.
    """

    async def get(self, namespace: str, name: str) -> StoredEntry | None:
        """Return the entry called `name`; None if there is none, or it has expired."""
        ...

    async def acquire(
        self, namespace: str, name: str, *, owner: str, duration: float, known: str = ""
    ) -> StoredEntry | Lease | LeaseHeld:
        """Return the entry if its version differs from `known`, else the lease for `duration` seconds.

        `LeaseHeld` when another owner has it.
        """
        ...

    async def renew(self, lease: Lease, *, duration: float) -> bool:
        """Let the lease end `duration` seconds from now; False when it has ended already."""
        ...

    async def release(self, lease: Lease, *, cooldown: float = 0.0) -> None:
        """End the lease without a write; it is granted to no owner for `cooldown` seconds."""
        ...

    async def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str] = ()) -> bool:
        """Write the entry and end the lease; False when the lease has ended before.

        The entry lives `lifetime` seconds from the moment at which the lease was acquired, so
        that a slow writer never lengthens a life. An entry with tags can be invalidated, counts
        against the store's bounds, and is not written when anything was invalidated meanwhile.
        """
        ...

    async def delete(self, namespace: str, name: str, *, version: str) -> bool:
        """Delete the entry if it still has this version; return True if it had (compare and delete)."""
        ...

    async def invalidate(self, namespace: str, tag: str | None = None) -> None:
        """Delete all entries with this tag, or all that have any, also those about to be written."""
        ...

    def changes(self, namespace: str) -> AsyncGenerator[Change, None]:
        """Yield each change from now on, also this process's own; the first one is a `resync`."""
        ...

    async def aclose(self) -> None:
        """Release connections, files and threads; the store may be used again. Idempotent."""
        ...
