"""One renewal of the token: exchanges, repeated for the callers that wait."""

from __future__ import annotations

from collections.abc import Callable

from scope_async._core.clock import Clock, SuspendDetector
from scope_async.auth.acquisition import AcquiredToken, TokenAcquirer
from scope_async.auth.failures import ExchangeTimeoutError, as_failure, may_pass
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_policy import RefreshPolicy, attempt_timeout
from scope_async.auth.token import AccessToken, HeldToken
from scope_async.config import Config
from scope_async.errors import InvalidCredentialsError, ScopeError, TokenRefreshError

_NEVER = float("-inf")


class TokenRenewer:
    """Exchanges the credentials until there is a token, by the retry rules of all calls.

    While a token is usable there is one attempt: no caller waits, and the refresh policy says when
    the next one is due. Instants are monotonic, in seconds.

    Attributes:
        exchanges, failures: attempts so far, and those that gave no token.
        began_at: when the last renewal began.
        wanted_until: how long the last of the callers waits.
        rejected: the token that the service refused, until there is a new one.
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
        publish: Callable[[AcquiredToken, float], None],
        on_suspended: Callable[[], None],
    ) -> None:
        self._acquire = acquire
        self._policy = policy
        self._config = config
        self._clock = clock
        self._monotonic = clock.monotonic
        self._instrumentation = instrumentation
        self._held = held
        self._publish = publish
        self._on_suspended = on_suspended
        self._timed_out = False
        self._retry_at = _NEVER
        self.exchanges = 0
        self.failures = 0
        self.began_at = _NEVER
        self.wanted_until = _NEVER
        self.rejected: AccessToken | None = None

    def reset(self) -> None:
        """Forget what the next renewal would begin with."""
        self.rejected = None
        self._retry_at = _NEVER

    async def __call__(self) -> None:
        """Return when a token is published.

        Raises:
            InvalidCredentialsError: the credentials are refused.
            ScopeError: what the last attempt failed with.
        """
        self.began_at = self._monotonic()
        self.wanted_until = max(self.wanted_until, self.began_at + self._config.timeout)
        # A renewal whose event loop ended while it waited before a retry leaves the wait to the next one.
        delay = max(0.0, self._retry_at - self.began_at)
        attempt = 1
        while True:
            if delay > 0:
                await self._clock.sleep(delay)
            retry_in = await self._attempt(attempt)
            if retry_in is None:
                return
            delay, self._retry_at = retry_in, self._monotonic() + retry_in
            attempt += 1

    async def _attempt(self, number: int) -> float | None:
        """Make one exchange; return None with its token, else the seconds until the next attempt."""
        started, detector = self._monotonic(), SuspendDetector(self._clock)
        policy = self._policy
        policy.started(started)
        self.exchanges += 1
        try:
            acquired = await self._acquire(self.rejected, limit=self._limit(started))
            self._publish(acquired, started)
        except InvalidCredentialsError as error:
            self.failures += 1
            now = self._monotonic()
            left = self._held.token.usable_until - now
            delay = policy.refused(error, now=now, left=left)
            self._instrumentation.refused(error, delay, left=left)
            raise
        except Exception as error:  # noqa: BLE001 - a provider may raise anything
            return self._failed(as_failure(error), number)
        # What another process exchanged is no exchange of this one.
        self.exchanges -= acquired.response.shared
        self._timed_out = False
        if detector.suspended():
            self._on_suspended()
        return None

    def _limit(self, now: float) -> float:
        callers_left = max(self.wanted_until - now, 0.0)
        return attempt_timeout(
            self._config.timeout,
            life_left=self._held.token.usable_until - now,
            callers_left=callers_left,
            timed_out=self._timed_out or self._config.max_retries == 0,
        )

    def _failed(self, failure: ScopeError, number: int) -> float:
        """Return the seconds until the next attempt; raise `failure` if the callers do not wait for one."""
        self.failures += 1
        self._timed_out = isinstance(failure, ExchangeTimeoutError)
        now = self._monotonic()
        left = self._held.token.usable_until - now
        usable = left > 0
        delay = None if usable else self._retry_delay(failure, number, left=self.wanted_until - now)
        if delay is not None:
            self._instrumentation.failed(failure, self.failures, delay, left=left)
            return delay
        if self._timed_out and not usable:
            failure = TokenRefreshError(f"no token within {self._config.timeout:g} s: {self._acquire.step}")
        rest = self._policy.failed(failure, now=now, left=left)
        self._instrumentation.failed(failure, self.failures, rest, left=left, failing=not usable)
        raise failure

    def _retry_delay(self, failure: ScopeError, number: int, *, left: float) -> float | None:
        config = self._config
        if left <= 0 or number > config.max_retries or not may_pass(failure):
            return None
        if self._timed_out:  # which was delay enough
            return 0.0
        base, cap = config.retry_base_delay, config.retry_max_delay
        return self._policy.retry_delay(failure, number, left=left, base=base, cap=cap)
