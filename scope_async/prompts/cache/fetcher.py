"""`SharedFetcher`: asks the service for versions, and notes what it said."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from functools import partial

from scope_async._core.background import Background
from scope_async._core.clock import Clock
from scope_async._core.single_flight import InFlightCall, SingleFlight
from scope_async.errors import ApiError, AuthorizationError, ClientClosedError, NotFoundError, ScopeError
from scope_async.http.failures import is_unavailable
from scope_async.http.messages import new_request_id
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.cache.instrumentation import FetchInstrumentation
from scope_async.prompts.cache.memory import Entry, PromptCache
from scope_async.prompts.cache.snapshot import Snapshot
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.reference import Key, PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import Emit, Revalidated

_logger = logging.getLogger("scope_async.prompts")

_TRIES_WHEN_KILLED = 3


class SharedFetcher:
    """Fetches a version for one caller, or once for all who wait for it.

    What the service says goes into the cache and the snapshot; that it failed goes into the
    outages. Both happen once per fetch, however many callers wait.
    """

    def __init__(
        self,
        remote: PromptEndpoint,
        *,
        cache: PromptCache,
        outages: FailureBackoff,
        snapshot: Snapshot | None,
        background: Background,
        clock: Clock,
        emit: Emit | None,
    ) -> None:
        self._remote = remote
        self._cache = cache
        self._outages = outages
        self._snapshot = snapshot
        self._clock = clock
        self._emit = emit
        self._order = FetchSequence()
        self._flights: SingleFlight[tuple[int, Key], PromptVersion] = SingleFlight(background)
        self._closings = 0

    async def fetch(
        self,
        selection: PromptRef,
        ttl: float,
        *,
        max_retries: int | None = None,
        request_id: str | None = None,
        on_retry: Callable[[ScopeError], None] | None = None,
    ) -> PromptVersion:
        """Return what the service has now, asked by this caller alone; a `ttl` of 0 does not store it.

        Raises:
            ScopeError: as `PromptEndpoint.fetch`.
        """
        request_id = request_id or new_request_id()
        started = self._clock.monotonic()
        ticket = self._order.begin()
        try:
            version = await self._remote.fetch(
                selection,
                known=self._cache.known(selection.key),
                max_retries=max_retries,
                request_id=request_id,
                on_retry=on_retry,
            )
            self._answered(selection, version, started=started, ttl=ttl, ticket=ticket, request_id=request_id)
        except ScopeError as error:
            self._failed(selection, error, ticket)
            raise
        finally:
            self._order.end()
        return version

    def start(self, selection: PromptRef, ttl: float) -> InFlightCall[PromptVersion]:
        """Begin the shared fetch, unless it is under way; does not wait."""
        key = self._flight_key(selection)
        flight = self._flights.find_call(key)
        if flight is not None:
            return flight
        # With something to serve meanwhile, a service that failed is tried once per delay.
        known_down = self._outages.find(selection.key) is not None and self.has_copy(selection)
        # Known before anything is sent, so that a caller's events can name what it waits for.
        request_id = new_request_id()
        call = partial(
            self.fetch,
            selection,
            ttl,
            max_retries=0 if known_down else None,
            request_id=request_id,
            on_retry=partial(self._flights.report_attempt_failure, key),
        )
        return self._flights.join(key, call, request_id)

    def in_flight(self, selection: PromptRef) -> bool:
        return self._flights.find_call(self._flight_key(selection)) is not None

    def has_copy(self, selection: PromptRef) -> bool:
        """Tell whether there is a version to serve without the service, in memory or in the snapshot."""
        return self._cache.find(selection.key) is not None or (
            self._snapshot is not None and self._snapshot.known(selection.key) is not None
        )

    async def join(
        self, selection: PromptRef, ttl: float, wait: FetchInstrumentation | None = None
    ) -> PromptVersion:
        """Return the outcome of the shared fetch. Cancelling a caller leaves it to the others.

        `wait` is told which fetch is waited for. While a copy in memory may stand in, only the
        first attempt is waited for; the fetch goes on without the caller.

        Raises:
            ScopeError: the shared failure, or that of its first attempt, an object of this caller's own.
            ClientClosedError: the client was closed meanwhile.
        """
        closings = self._closings
        for _ in range(_TRIES_WHEN_KILLED):
            if wait is None:
                flight = self.start(selection, ttl)
            else:
                shared = self.in_flight(selection)
                flight = self.start(selection, ttl)
                wait.begin(flight.name, shared=shared)
            await flight.wait(until_first_error=True)
            if flight.first_error is not None:
                if self._cache.has_stand_in(selection.key):
                    raise _own(flight.first_error) from flight.first_error
                await flight.wait()
            if flight.error is not None:
                raise _own(flight.error) from flight.error
            if flight.completed:
                return flight.result
            if closings != self._closings:
                break
        raise ClientClosedError("the client was closed while the call was waiting")

    def invalidate(self, name: str) -> None:
        """Drop the versions of one prompt, also those that are on their way."""
        self._order.invalidate(name)
        self._cache.drop_prompt(name)

    def clear(self) -> None:
        """Drop all versions, also those that are on their way."""
        self._order.invalidate_all()
        self._cache.clear()
        self._outages.clear()

    def close(self) -> None:
        """Wake all waiters with `ClientClosedError` and drop everything."""
        self._closings += 1
        self.clear()
        self._flights.cancel_all()

    def _flight_key(self, selection: PromptRef) -> tuple[int, Key]:
        # Whoever comes after an invalidation must not join a fetch from before it.
        return self._order.oldest(selection.name), selection.key

    def _answered(
        self,
        selection: PromptRef,
        version: PromptVersion,
        *,
        started: float,
        ttl: float,
        ticket: int,
        request_id: str,
    ) -> None:
        key = selection.key
        if self._outages.end(key):
            _logger.info("%s could be fetched again", selection)
        if ticket <= self._order.oldest(selection.name):
            return
        if ttl > 0:
            previous = self._cache.put(key, Entry(version, started, ttl, ticket))
            if previous is not None and previous.ticket > ticket:
                return
            if previous is not None and self._emit is not None:
                self._emit(
                    Revalidated(
                        prompt=selection.name,
                        selector=selection.selector,
                        changed=previous.version != version,
                        request_id=request_id,
                    )
                )
        if self._snapshot is not None:
            self._snapshot.keep(key, version)

    def _failed(self, selection: PromptRef, error: ScopeError, ticket: int) -> None:
        key = selection.key
        if is_unavailable(error):
            if not self._cache.is_newer(key, than=ticket):
                self._outages.record(key, error, self._clock.monotonic())
        elif isinstance(error, NotFoundError | AuthorizationError):
            # What the service says clearly is never papered over with a stale copy.
            self._outages.end(key)
            self._cache.drop(key, before=ticket)
            if self._snapshot is not None:
                self._snapshot.forget(key)
        elif isinstance(error, ApiError):
            self._outages.end(key)
            self._cache.expire(key, before=ticket)


def _own(error: Exception) -> Exception:
    """Return a copy for one caller: a traceback grows with every `raise` of the same object."""
    return copy.copy(error) if isinstance(error, ScopeError) else error


class FetchSequence:
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
