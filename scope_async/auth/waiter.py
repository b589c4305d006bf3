"""What a caller without a valid token does: wait for the renewal in flight, or begin one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.futures import resolve
from scope_async._core.concurrency.single_flight import InFlightCall, SingleFlight
from scope_async.auth.failures import error_for_caller, is_outage, no_token_within
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.renewer import TokenRenewer
from scope_async.auth.token import AccessToken, HeldToken
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ScopeError, TokenRefreshError

_logger = logging.getLogger("scope_async.auth")

_MAX_RENEWALS = 3
_MAX_INTERRUPTED = 20
"""How often a caller joins a renewal whose event loop then ends."""

_RENEWAL_TIMEOUT = 2.0
"""Seconds that a caller waits for a renewal although its token is still valid."""

OnAttemptFailed = Callable[[ScopeError], None]


class TokenWaiter:
    """Waits for a renewal, of which there is one at a time for all callers, in whichever event loop."""

    def __init__(
        self,
        background: Background,
        renewer: TokenRenewer,
        policy: RefreshPolicy,
        *,
        config: Config,
        monotonic: Callable[[], float],
        instrumentation: TokenInstrumentation,
        held: HeldToken,
    ) -> None:
        self._background = background
        self._renewer = renewer
        self._policy = policy
        self._timeout = config.timeout
        self._retries = config.max_retries > 0
        self._monotonic = monotonic
        self._instrumentation = instrumentation
        self._held = held
        self._calls: SingleFlight[str, None] = SingleFlight(background)
        self._attempt_failed = partial(self._calls.report_attempt_failure, "token")

    @property
    def renewing(self) -> bool:
        """True while a renewal is in flight."""
        return self._calls.in_flight("token")

    def join(self) -> InFlightCall[None]:
        """Return the renewal in flight, begun unless there is one.

        Raises:
            ClientClosedError: the background was closed.
        """
        return self._calls.join("token", partial(self._renewer, self._attempt_failed))

    def peek(self) -> AccessToken | None:
        """Return the valid token, or None; never waits, callable from any thread."""
        token = self._held.token
        return token if self._monotonic() < token.usable_until else None

    def _check_open(self) -> None:
        if self._held.closed:
            raise ClientClosedError("the token source is closed")

    async def wait_and_report(
        self, seconds: float | None = None, on_attempt_failed: OnAttemptFailed | None = None
    ) -> AccessToken:
        """Return the token of `wait`, with an event for how long it took."""
        arrived = self._monotonic()
        try:
            token = await self.wait(seconds, on_attempt_failed)
        except BaseException as error:
            self._instrumentation.waited(self._monotonic() - arrived, error)
            raise
        self._instrumentation.waited(self._monotonic() - arrived, None)
        return token

    async def wait(
        self, seconds: float | None = None, on_attempt_failed: OnAttemptFailed | None = None
    ) -> AccessToken:
        """Return a valid token, waiting at most `seconds` for it, by default the option `timeout`.

        `on_attempt_failed` is called with the error of each exchange that another one follows.

        Raises:
            ScopeError: as `TokenSource.get`.
        """
        # One coroutine and one timer, since thousands of callers may wait here.
        seconds = self._timeout if seconds is None else seconds
        until = self._monotonic() + seconds
        renewals = interrupted = 0
        caller = object()
        self._renewer.callers[caller] = until
        try:
            while renewals < _MAX_RENEWALS and interrupted < _MAX_INTERRUPTED:
                self._check_open()
                if (token := self.peek()) is not None:
                    return await self._renew_if_due(token)
                self._check_worth_waiting(until, seconds)
                call = self.join()
                woken = call.wait(failures=call.failures)
                timer = woken.get_loop().call_later(until - self._monotonic(), resolve, woken)
                try:
                    await woken
                finally:
                    timer.cancel()
                if (token := self._token_after(call, on_attempt_failed)) is not None:
                    return token
                renewals += call.completed
                interrupted += call.ended and not call.completed
        finally:
            del self._renewer.callers[caller]
        raise TokenRefreshError(f"no valid token after {renewals} exchanges")

    def _token_after(
        self, call: InFlightCall[None], on_attempt_failed: OnAttemptFailed | None
    ) -> AccessToken | None:
        """Return the token once an attempt of the renewal is over; None if there is none yet."""
        if (token := self.peek()) is not None:
            return token
        self._check_open()
        if call.error is not None:
            raise self._error_for_caller(call.error)
        if on_attempt_failed is not None and not call.ended and self._policy.error is not None:
            on_attempt_failed(error_for_caller(self._policy.error, retry_after=0.0))
        return None

    def _check_worth_waiting(self, until: float, seconds: float) -> None:
        """Raise what the last exchange failed with if the next one comes too late for this caller."""
        now = self._monotonic()
        last = self._policy.error
        waits = self._retries and (last is None or is_outage(last))
        error = self._policy.blocking_error(until if waits else now)
        if error is None and now >= until:
            error = last or no_token_within(seconds, self._renewer.step)
        if error is not None:
            self._background.ensure()
            raise self._error_for_caller(error)

    async def _renew_if_due(self, token: AccessToken) -> AccessToken:
        """Return the token, renewed if that is due and no background task does it.

        The caller waits for that, at most two seconds: in an event loop that is as short as a call,
        a renewal in the background would never end.
        """
        if self._background.running or self._monotonic() < self._policy.next_at:
            return token
        await asyncio.wait({self.join().wait()}, timeout=_RENEWAL_TIMEOUT)
        return self.peek() or token

    async def refresh(self) -> AccessToken:
        """Return a token of an exchange that began after this call; the current one beyond the limit.

        Raises:
            ScopeError: as `TokenSource.get`.
        """
        asked_at = self._monotonic()
        until = asked_at + self._timeout
        caller = object()
        self._renewer.callers[caller] = until
        try:
            await self._refresh(asked_at, until)
        finally:
            del self._renewer.callers[caller]
        return self.peek() or await self.wait(until - self._monotonic())

    async def _refresh(self, asked_at: float, until: float) -> None:
        for _ in range(_MAX_INTERRUPTED):
            self._check_open()
            call = self._calls.find_call("token")
            if call is None:
                with self._background.lock:
                    allowed = self._policy.allow_forced(self._monotonic())
                if not allowed:
                    _logger.warning("the token was renewed very often lately; not renewing it yet")
                    return
                call = self.join()
            while not call.ended and self._monotonic() < until:
                woken = call.wait(failures=call.failures)
                await asyncio.wait({woken}, timeout=until - self._monotonic())
            if call.completed and self._renewer.began_at >= asked_at:
                if call.error is not None:
                    raise self._error_for_caller(call.error)
                return

    def _error_for_caller(self, error: Exception) -> ScopeError:
        self._instrumentation.call_failed(error)
        return error_for_caller(error, retry_after=self._policy.unblocked_in(self._monotonic()))
