"""`SharedFetcher`: asks the service for versions, and records its answers and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from scope_async import telemetry
from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.single_flight import InFlightCall, SingleFlight
from scope_async._core.uuids import random_uuid
from scope_async.errors import ApiError, AuthorizationError, NotFoundError, ScopeError, TimeoutError
from scope_async.http.failures import is_unavailable
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.cache.instrumentation import CacheInstrumentation
from scope_async.prompts.cache.memory import PromptCache
from scope_async.prompts.conditional import FetchedVersion, KnownVersion
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.reference import Key, PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.hooks import Emit

if TYPE_CHECKING:
    from scope_async.prompts.cache.shared.versions import SharedVersions
    from scope_async.prompts.cache.snapshot import PromptSnapshot

_INTERRUPTED_TIMEOUT = 2.0

CallKey = tuple[int, Key, str]
"""What was invalidated last, what is asked for, and the request's id if no other caller may join."""


class SharedFetcher:
    """Fetches a version for one caller, or once for all callers that wait for it.

    An answer goes into the memory and the snapshot, a failure into the backoff, once per fetch.
    An answer never replaces that of a later fetch, and is dropped if its prompt was invalidated
    after the fetch had begun.
    """

    def __init__(
        self,
        endpoint: PromptEndpoint,
        *,
        memory: PromptCache,
        failures: FailureBackoff,
        snapshot: PromptSnapshot | None,
        background: Background,
        clock: Clock,
        emit: Emit | None,
        instrumentation: CacheInstrumentation,
        shared: SharedVersions | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._shared = shared
        self._memory = memory
        self._failures = failures
        self._snapshot = snapshot
        self._clock = clock
        self._emit = emit
        self._instrumentation = instrumentation
        self._sequence = FetchSequence()
        self._background = background
        self._limited: set[InFlightCall[PromptVersion]] = set()
        self._calls: SingleFlight[CallKey, PromptVersion] = SingleFlight(background)

    async def fetch(
        self,
        ref: PromptRef,
        ttl: float,
        *,
        known: KnownVersion | None = None,
        max_retries: int | None = None,
        request_id: str | None = None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
        use_shared: bool = False,
    ) -> PromptVersion:
        """Return what the service has now, asked by this caller alone; a `ttl` of 0 does not store it.

        With `use_shared` it may be the answer to another process, if that is fresh for this `ttl`.

        Raises:
            ScopeError: as `PromptEndpoint.fetch`.
        """
        request_id, sequence = request_id or random_uuid(), self._sequence.begin()
        started, started_at = self._clock.monotonic(), self._clock.time()
        try:
            if self._shared is None or ttl <= 0:
                fetched = await self._endpoint.fetch(ref, known, max_retries, request_id, on_attempt_failed)
            else:
                ask = partial(self._endpoint.fetch, ref, max_retries=max_retries, request_id=request_id)
                fetched = await self._shared.fetch(
                    ref, ttl, ask, known=known, on_attempt_failed=on_attempt_failed, use_shared=use_shared
                )
        except BaseException as error:
            answered = isinstance(error, ScopeError) and not is_unavailable(error)
            with self._memory.lock:
                accepted = self._sequence.end(sequence, ref, answered=answered)
            if accepted and isinstance(error, ScopeError):
                self._record_failure(ref, error, sequence, started_at)
            raise
        previous = None
        # Held for both, so that no other thread invalidates the prompt between them.
        with self._memory.lock:
            accepted = self._sequence.end(sequence, ref, answered=True)
            if accepted and ttl > 0:
                previous = self._memory.put(ref.key, fetched, started - fetched.age, ttl, sequence)
        if accepted and (previous is None or previous.sequence <= sequence):
            if self._snapshot is not None:
                self._snapshot.put(ref, fetched, started_at - fetched.age)
            if previous is not None and self._emit is not None:
                self._emit(_revalidated(ref, previous.version, fetched, request_id))
        self._failures.record_answer(ref.key)
        if self._instrumentation.has_problem:
            self._instrumentation.answered()
        return fetched.version

    def start(
        self,
        ref: PromptRef,
        ttl: float,
        *,
        known: KnownVersion | None,
        max_retries: int | None = None,
        shared: bool = True,
        limit: float | None = None,
    ) -> InFlightCall[PromptVersion]:
        """Return the shared fetch, begun unless it is in flight; its `name` is the request's id.

        Without `shared` one is begun in any case, for this caller alone. After `limit`
        seconds it wakes the callers that wait until the first failure, and goes on.

        Raises:
            ClientClosedError: the client was closed.
        """
        overtaken = self._sequence.invalidated_up_to(ref.name)
        # Known before anything is sent, so that a caller's events can name what it waits for.
        request_id = random_uuid()
        key = (overtaken, ref.key, "" if shared else request_id)
        fetch = partial(
            self.fetch,
            ref,
            ttl,
            known=known,
            max_retries=max_retries,
            request_id=request_id,
            on_attempt_failed=partial(self._calls.report_attempt_failure, key),
            use_shared=True,
        )
        call = self._calls.join(key, fetch, request_id)
        if limit is not None and call.first_error is None and call not in self._limited:
            self._limited.add(call)
            self._background.spawn(self._end_waits, call, limit)
        return call

    async def _end_waits(self, call: InFlightCall[PromptVersion], limit: float) -> None:
        """Wake the callers that wait until the first failure, as if an attempt had failed."""
        try:
            await self._clock.sleep(limit)
            call.report_attempt_failure(TimeoutError(f"no answer within stale_timeout = {limit:g} s"))
        finally:
            self._limited.discard(call)

    async def revalidate(
        self, ref: PromptRef, ttl: float, *, known: KnownVersion | None
    ) -> InFlightCall[PromptVersion]:
        """Return the shared fetch, for a reader that has a copy.

        It is waited for, at most two seconds, if the last one ended with its event loop: in loops as
        short as a call, nothing that goes on in the background would ever end.
        """
        interrupted = self._calls.was_interrupted(self._call_key(ref))
        call = self.start(ref, ttl, known=known)
        if interrupted:
            await asyncio.wait({call.wait(failures=0)}, timeout=_INTERRUPTED_TIMEOUT)
        return call

    def in_flight(self, ref: PromptRef) -> bool:
        """Return True if a shared fetch that `start` would return is in flight."""
        return self._calls.find_call(self._call_key(ref)) is not None

    def reject_answers(self, name: str | None = None) -> None:
        """Do not store the answers, for one prompt or for all, of the fetches that are in flight."""
        with self._memory.lock:
            self._sequence.invalidate(name)

    def cancel_waits(self) -> None:
        """Wake all callers that wait for a shared fetch."""
        self._limited.clear()
        self._calls.cancel_all()

    def _call_key(self, ref: PromptRef) -> CallKey:
        # A caller that comes after an invalidation must not join a fetch from before it.
        return self._sequence.invalidated_up_to(ref.name), ref.key, ""

    def _record_failure(self, ref: PromptRef, error: ScopeError, sequence: int, started_at: float) -> None:
        key = ref.key
        if is_unavailable(error):
            self._failures.record_failure(key, error, self._clock.monotonic())
            self._instrumentation.unreadable(ref, error)
        elif isinstance(error, NotFoundError | AuthorizationError):
            # 403 and 404 are definitive: never serve a stale copy instead.
            self._failures.record_answer(key)
            self._memory.delete(key, before=sequence)
            if self._snapshot is not None:
                self._snapshot.delete(ref, started_at)
        elif isinstance(error, ApiError):
            self._failures.record_answer(key)
            self._memory.expire(key, before=sequence)


def _revalidated(
    ref: PromptRef, previous: PromptVersion, fetched: FetchedVersion, request_id: str
) -> telemetry.events.Revalidated:
    return telemetry.events.Revalidated(
        prompt=ref.name,
        selector=ref.selector,
        changed=previous != fetched.version,
        request_id=request_id,
        not_modified=fetched.not_modified,
    )


class FetchSequence:
    """Numbers the fetches, and tracks which of them an invalidation or a later answer has overtaken.

    Threads call `end` and `invalidate` one at a time, and the others whenever they like.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._in_flight: set[int] = set()
        self._all_up_to = 0
        self._prompts_up_to: dict[str, int] = {}
        self._answered: dict[Key, int] = {}

    def begin(self) -> int:
        """Return the number of a fetch that starts now; call `end` once when its answer is there."""
        sequence = next(self._numbers)
        self._in_flight.add(sequence)
        return sequence

    def end(self, sequence: int, ref: PromptRef, *, answered: bool) -> bool:
        """Return True unless its prompt was invalidated, or a later fetch `answered`, while it was in flight.

        A 404 is an answer too: it is not to be undone by what was asked for before.
        """
        self._in_flight.discard(sequence)
        if not self._answered and not self._prompts_up_to:
            accepted = sequence > self._all_up_to
        else:
            accepted = sequence > max(self._answered.get(ref.key, 0), self.invalidated_up_to(ref.name))
        if not self._in_flight:
            # Only fetches in flight can be too old, so there is nothing left to remember.
            self._prompts_up_to.clear()
            self._answered.clear()
        elif answered and sequence > self._answered.get(ref.key, 0):
            self._answered[ref.key] = sequence
        return accepted

    def invalidate(self, name: str | None = None) -> None:
        """Overtake all fetches in flight, of one prompt or of all."""
        if name is None:
            self._all_up_to = next(self._numbers)
        elif self._in_flight:
            self._prompts_up_to[name] = next(self._numbers)

    def invalidated_up_to(self, name: str) -> int:
        """Return the number that a fetch of this prompt must be later than to be stored."""
        return max(self._all_up_to, self._prompts_up_to.get(name, 0))
