"""One renewal of the token: exchanges, repeated for the callers that wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

from scope_async._core.clock import Clock, SuspendDetector
from scope_async.auth.acquisition import AcquiredToken, TokenAcquirer
from scope_async.auth.failures import (
    ExchangeTimeoutError,
    as_failure,
    is_outage,
    is_retryable,
    no_token_within,
)
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_policy import RefreshPolicy, attempt_timeout, usable_for
from scope_async.auth.token import AccessToken, HeldToken
from scope_async.config import Config
from scope_async.errors import InvalidCredentialsError, ScopeError, TokenRefreshError

_NEVER = float("-inf")
_LONGEST_DELAY = 1 / 4
"""Share of `timeout` between two exchanges at most: callers outlive an outage of three quarters of it."""


class TokenRenewer:
    """Exchanges the credentials until there is a token, by the retry rules of all calls.

    An outage of the auth API is retried for as long as a caller waits. Without one, or if the provider
    fails, there are `max_retries` retries as for any call; if that is 0, there are none at all. While a
    token is usable there is one attempt: no caller waits, and the refresh policy says when the next one
    is due. Instants are monotonic, in seconds.

    Attributes:
        exchanges, failures: attempts so far, and those that gave no token.
        began_at: when the last renewal began.
        callers: until when each caller without a token waits; changed from any thread.
        rejected: the token that the service refused, until there is a new one.
        shared: the last token came from the shared store.
    """

    def __init__(
        self,
        acquire: TokenAcquirer,
        policy: RefreshPolicy,
        *,
        config: Config,
        clock: Clock,
        instrumentation: TokenInstrumentation,
        held: HeldToken,
        lock: threading.RLock,
        set_token: Callable[[AccessToken], None],
        on_suspended: Callable[[], None],
        on_ended: Callable[[], None],
    ) -> None:
        self._acquire = acquire
        self._policy = policy
        self._config = config
        self._clock = clock
        self._monotonic = clock.monotonic
        self._instrumentation = instrumentation
        self._held = held
        self._lock = lock
        self._set_token = set_token
        self._on_suspended = on_suspended
        self._on_ended = on_ended
        self._timed_out = False
        self._answer: ScopeError | None = None
        self.exchanges = 0
        self.failures = 0
        self.began_at = _NEVER
        self.callers: dict[object, float] = {}
        self.rejected: AccessToken | None = None
        self.shared = False
        self._generation = 0

    @property
    def step(self) -> str:
        """The step of the exchange that is under way, as the end of a sentence."""
        return self._acquire.step

    def reset(self) -> None:
        """Forget what the next renewal would begin with."""
        self.rejected = None

    async def __call__(self, on_attempt_failed: Callable[[ScopeError], None]) -> None:
        """Return when a token is published; `on_attempt_failed` is called before each retry.

        Raises:
            InvalidCredentialsError: the credentials are refused.
            ScopeError: what the last attempt failed with.
        """
        try:
            await self._renew(on_attempt_failed)
        finally:
            self._on_ended()

    async def _renew(self, on_attempt_failed: Callable[[ScopeError], None]) -> None:
        self.began_at = now = self._monotonic()
        self._answer = None
        # The last renewal, which failed or whose event loop ended, leaves its delay to this one.
        delay = 0.0 if self._life_left(now) > 0 else self._policy.blocked_until - now
        attempts = 0
        failure: ScopeError | None = None
        while True:
            if delay > 0:
                await self._clock.sleep(delay)
            if failure is not None:
                now = self._monotonic()
                if self._life_left(now) > 0:
                    return  # another process has renewed it
                if not self._is_wanted(attempts, now):
                    self._policy.failed(failure, now=now, left=0.0)
                    raise failure
            attempts += 1
            failure = await self._attempt()
            if failure is None:
                return
            failure, delay = self._failed(failure, attempts)
            on_attempt_failed(failure)

    async def _attempt(self) -> ScopeError | None:
        """Make one exchange; return None when its token is published, else why there is none."""
        started, policy = self._monotonic(), self._policy
        limit = self._limit(started)
        policy.started(started)
        self.exchanges += 1
        detector = SuspendDetector(self._clock)
        try:
            acquired = await self._acquire(self.rejected, limit=limit)
            self.publish(acquired, started)
        except InvalidCredentialsError as error:
            self.failures += 1
            now = self._monotonic()
            left = self._life_left(now)
            delay = policy.refused(error, now=now, left=left)
            self._instrumentation.refused(error, delay, left=left)
            raise
        except Exception as error:  # noqa: BLE001 - a provider may raise anything
            self.failures += 1
            return as_failure(error)
        # What another process exchanged is no exchange of this one.
        self.exchanges -= acquired.response.shared
        self._timed_out = False
        if detector.suspended():
            self._on_suspended()
        return None

    def publish(self, acquired: AcquiredToken, started: float) -> None:
        """Make the token the current one; it was begun to be acquired at the instant `started`.

        Raises:
            TokenRefreshError: it expired before it arrived.
        """
        now, asked_at, response = self._monotonic(), acquired.asked_at, acquired.response
        lifetime = response.lifetime
        with self._lock:
            if self._held.closed:
                return
            if now >= asked_at + usable_for(lifetime):
                raise TokenRefreshError(
                    f"the token expired before it arrived: its lifetime is {lifetime:g} s"
                )
            planned = self._policy.granted(lifetime, asked_at=asked_at, now=now, previous=self._held.token)
            self._generation += 1
            self.shared = response.shared
            self.rejected = None
            token = AccessToken(
                value=response.value,
                authorization=f"Bearer {response.value}",
                generation=self._generation,
                api_key=acquired.api_key,
                lifetime=lifetime,
                refresh_at=asked_at + planned.refresh_after,
                usable_until=asked_at + planned.usable_for,
                expires_at=asked_at + lifetime,
                monotonic=self._monotonic,
            )
            self._set_token(token)
        self._instrumentation.obtained(token, planned, now - started, response)

    def _limit(self, now: float) -> float:
        timeout = self._config.timeout
        return attempt_timeout(
            timeout,
            life_left=self._life_left(now),
            callers_left=max(self._callers_until(), self.began_at + timeout) - now,
            timed_out=self._timed_out or self._config.max_retries == 0,
        )

    def _failed(self, failure: ScopeError, attempts: int) -> tuple[ScopeError, float]:
        """Return the error for the callers and the seconds until the retry; without a retry raise it."""
        self._timed_out = isinstance(failure, ExchangeTimeoutError)
        now = self._monotonic()
        left = self._life_left(now)
        usable = left > 0
        told = failure
        if not usable and self._timed_out:
            told = no_token_within(self._config.timeout, self._acquire.step, self._answer)
        elif not usable:
            self._answer = failure
        delay = None if usable or not is_retryable(failure) else self._retry_delay(told, attempts, now)
        if delay is not None:
            self._instrumentation.failed(failure, self.failures, delay, left=left)
            return told, delay
        rest = self._policy.failed(told, now=now, left=left)
        self._instrumentation.failed(told, self.failures, rest, left=left, failing=not usable)
        raise told

    def _retry_delay(self, failure: ScopeError, attempts: int, now: float) -> float | None:
        config = self._config
        if config.max_retries == 0:
            return None
        wanted_until = self._callers_until() if is_outage(failure) else _NEVER
        if attempts <= config.max_retries:
            wanted_until = max(wanted_until, self.began_at + config.timeout)
        return self._policy.retried(
            failure,
            attempts,
            now=now,
            left=wanted_until - now,
            base=0.0 if self._timed_out else config.retry_base_delay,  # that was delay enough
            cap=min(config.retry_max_delay, config.timeout * _LONGEST_DELAY),
        )

    def _is_wanted(self, attempts: int, now: float) -> bool:
        """Return True if a caller still waits, or the retries that need none are not used up."""
        return attempts <= self._config.max_retries or self._callers_until() > now

    def _callers_until(self) -> float:
        """Return when the last of the callers stops waiting; long ago if there are none."""
        # Of a copy, which is made in one step.
        return max(self.callers.copy().values(), default=_NEVER)

    def _life_left(self, now: float) -> float:
        return self._held.token.usable_until - now
