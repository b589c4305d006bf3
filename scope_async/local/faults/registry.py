"""The faults that are active in a Local Scope."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from itertools import count
from random import Random
from types import TracebackType
from typing import Self, Unpack

from attrs import frozen

from scope_async._core.clock import Clock
from scope_async.local.faults.spec import Fault, FaultLimits, Target


class ActiveFault:
    """An active fault; as a context manager it is removed at the end of the block."""

    def __init__(self, id: int, fault: Fault, faults: Faults, now: float) -> None:
        self.id = id
        self.fault = fault
        self.hits = 0
        self._faults = faults
        self._ends_at = None if fault.lasting is None else now + fault.lasting
        self._random = Random(fault.seed)  # noqa: S311 - a seed makes a failing run repeatable

    @property
    def left(self) -> int | None:
        """How many requests are still to be hit; None if that is unlimited."""
        return None if self.fault.times is None else self.fault.times - self.hits

    def is_over(self, now: float) -> bool:
        return self.left == 0 or (self._ends_at is not None and now >= self._ends_at)

    def try_hit(self) -> bool:
        """Return True if this request is hit (at random if `probability` is below 1), and count it."""
        if self.fault.probability < 1 and self._random.random() >= self.fault.probability:
            return False
        self.hits += 1
        return True

    def seconds(self) -> float:
        """Return the delay of one request in seconds, drawn at random from a range."""
        value = self.fault.value
        if isinstance(value, tuple):
            return self._random.uniform(*value)
        return float(value or 0)

    def remove(self) -> None:
        """Remove the fault. Idempotent."""
        self._faults.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


@frozen
class FaultPlan:
    """What the faults do to one request; `delay` is in seconds."""

    delay: float = 0.0
    instead: Fault | None = None
    token: tuple[Fault, ...] = ()
    reply: Fault | None = None


class Faults:
    """Makes requests fail on demand, by operation: `exchange`, `prompt`, `keys` or `any` of them.

    Every method adds one fault and returns it. Delays add up. Of the faults that replace the
    reply, the oldest applies first, so `status("prompt", 503, times=2)` followed by
    `status("prompt", 429, times=1)` is a script. Every method can be called from any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._active: tuple[ActiveFault, ...] = ()
        self._delayed: set[asyncio.Future[None]] = set()
        self._ids = count(1)
        self._closed = False
        self._lock = threading.Lock()

    @property
    def active(self) -> tuple[ActiveFault, ...]:
        return self._active

    def add(self, fault: Fault) -> ActiveFault:
        """Add a fault made elsewhere, for example by `Fault.parse`."""
        added = ActiveFault(next(self._ids), fault, self, self._clock.monotonic())
        with self._lock:
            self._active = (*self._active, added)
        return added

    def latency(
        self, operation: Target, seconds: float | tuple[float, float], **limits: Unpack[FaultLimits]
    ) -> ActiveFault:
        """Answer `seconds` later (a range is drawn from at random), by Local Scope's clock."""
        return self.add(Fault(operation, "latency", seconds, **limits))

    def status(
        self,
        operation: Target,
        status: int,
        *,
        retry_after: float | str | None = None,
        headers: Mapping[str, str] | None = None,
        **limits: Unpack[FaultLimits],
    ) -> ActiveFault:
        """Answer with `status` and an error body; the request is not handled.

        `retry_after` is in seconds, or an HTTP date.
        """
        fault = Fault(operation, "status", status, retry_after=retry_after, headers=headers or {}, **limits)
        return self.add(fault)

    def unauthorized(self, operation: Target = "prompt", **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Answer 401, also to a valid token."""
        return self.status(operation, 401, **limits)

    def drop(self, operation: Target, at: str = "before", **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Handle the request, then close the connection `before` the reply or in the `middle` of it."""
        return self.add(Fault(operation, "drop", at, **limits))

    def reset(self, operation: Target, **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Reset the connection (TCP RST); the request is not handled."""
        return self.add(Fault(operation, "reset", **limits))

    def hang(self, operation: Target, **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Send no reply; the connection stays open until the client gives up or Local Scope closes."""
        return self.add(Fault(operation, "hang", **limits))

    def malformed(self, operation: Target, body: str = "html", **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Answer 200 with a wrong body.

        `html`, `empty`, a `list`, an object with `missing` fields, an `error` object, `truncated`
        JSON, or `binary`.
        """
        return self.add(Fault(operation, "malformed", body, **limits))

    def oversized(
        self, operation: Target, size: int | None = None, **limits: Unpack[FaultLimits]
    ) -> ActiveFault:
        """Answer with `size` bytes of JSON (default 11 MiB)."""
        return self.add(Fault(operation, "oversized", size, **limits))

    def expired_token(self, **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Let an exchange return a token that expired a second ago."""
        return self.add(Fault("exchange", "expired_token", **limits))

    def same_token(self, **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Let an exchange return the key's last token again, with its remaining lifetime."""
        return self.add(Fault("exchange", "same_token", **limits))

    def expires_in(self, seconds: float | None, **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Let an exchange claim an `expires_in` of `seconds`; None leaves the field out."""
        return self.add(Fault("exchange", "expires_in", seconds, **limits))

    def dialect(self, unknown: str, **limits: Unpack[FaultLimits]) -> ActiveFault:
        """Answer 404 to one dialect, `login` or `sdk-token`, as a service with only the other one does."""
        return self.add(Fault("exchange", "dialect", unknown, **limits))

    def remove(self, fault: ActiveFault) -> None:
        with self._lock:
            self._active = tuple(other for other in self._active if other is not fault)

    def clear(self) -> None:
        """Remove every fault; requests that are delayed already keep their delay."""
        with self._lock:
            self._active = ()

    def plan(self, operation: str, path: str) -> FaultPlan:
        """Return what happens to this request, and count it as a hit of each fault that applies."""
        now = self._clock.monotonic()
        matching = [a for a in self._active if not a.is_over(now) and a.fault.matches(operation, path)]
        delay = sum(a.seconds() for a in matching if a.fault.stage == "delay" and a.try_hit())
        instead = _first_hit(a for a in matching if a.fault.stage == "instead")
        token: tuple[Fault, ...] = ()
        reply = None
        if instead is None:
            token = tuple(a.fault for a in matching if a.fault.stage == "token" and a.try_hit())
            reply = _first_hit(a for a in matching if a.fault.stage == "reply")
        with self._lock:
            self._active = tuple(a for a in self._active if not a.is_over(now))
        return FaultPlan(delay, instead, token, reply)

    async def delay(self, seconds: float | None) -> bool:
        """Wait `seconds` (None: without end) and return True, or False as soon as Local Scope closes."""
        if self._closed:
            return False
        loop = asyncio.get_running_loop()
        delayed: asyncio.Future[None] = (
            loop.create_future()
            if seconds is None
            else loop.create_task(self._sleep_until(self._clock.monotonic() + seconds))
        )
        self._delayed.add(delayed)
        try:
            await asyncio.wait((delayed,))
            return not delayed.cancelled()
        finally:
            self._delayed.discard(delayed)
            delayed.cancel()

    async def _sleep_until(self, deadline: float) -> None:
        # The clock may have moved between the arrival of the request and the first step of this task.
        await self._clock.sleep(deadline - self._clock.monotonic())

    def close(self) -> None:
        """End every delay, now and from now on."""
        # The faults stay: a request that still arrives must fail as planned.
        self._closed = True
        for delayed in self._delayed:
            delayed.cancel()


def _first_hit(faults: Iterable[ActiveFault]) -> Fault | None:
    return next((active.fault for active in faults if active.try_hit()), None)
