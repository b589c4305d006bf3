"""Logs and emits an event for each exchange and each wait for a token; never a token's value."""

from __future__ import annotations

import logging

from scope_async import telemetry
from scope_async._core.clock import Clock
from scope_async._core.episode import ASK_DOCTOR, Episode
from scope_async.auth.exchange import ExchangeResponse
from scope_async.auth.refresh_policy import RefreshTimes
from scope_async.auth.token import AccessToken
from scope_async.errors import ScopeError
from scope_async.http.failures import request_id_of
from scope_async.telemetry.hooks import Emit

_logger = logging.getLogger("scope_async.auth")

_QUIET = 60.0
"""Seconds without a refused token after which the service counts as accepting tokens again."""


class TokenInstrumentation:
    """Reports exchanges and waits to the log and the hooks; times are in seconds.

    What lasts is an `Episode` of the log each: an auth API that gives no token, credentials that it
    refuses, and a service that refuses its tokens.
    """

    def __init__(self, emit: Emit | None, *, clock: Clock, configured_buffer: float) -> None:
        self._emit = emit
        self._configured_buffer = configured_buffer
        self._clamp_reported = False
        self._request_id: str | None = None
        self._outage = Episode(_logger, clock, "the token cannot be renewed", advice=ASK_DOCTOR)
        self._refusal = Episode(_logger, clock, "the auth API refuses the credentials", advice=ASK_DOCTOR)
        self._rejections = Episode(
            _logger, clock, "the service refuses new tokens", advice=ASK_DOCTOR, quiet=_QUIET
        )

    def obtained(
        self, token: AccessToken, planned: RefreshTimes, duration: float, response: ExchangeResponse
    ) -> None:
        """Report a new token, and once that its buffer was clamped."""
        self._request_id = response.request_id
        for episode in (self._outage, self._refusal, self._rejections):
            if episode.ongoing:
                episode.recovered()
        _logger.debug(
            "token generation %d for API key %s lives %.0f s", token.generation, token.api_key, token.lifetime
        )
        self._emit_token(token, duration, response)
        if planned.clamped and not self._clamp_reported:
            self._clamp_reported = True
            _logger.warning(
                "token_refresh_buffer is %.0f s but tokens live %.0f s; renewing %.1f s before expiry",
                self._configured_buffer,
                token.lifetime,
                planned.buffer,
            )
            if self._emit is not None:
                wanted_ms, used_ms = self._configured_buffer * 1000, planned.buffer * 1000
                self._emit(telemetry.events.BufferClamped(wanted_ms=wanted_ms, used_ms=used_ms))

    def _emit_token(self, token: AccessToken, duration: float, response: ExchangeResponse) -> None:
        if self._emit is None:
            return
        lifetime_ms, expires_in_ms = token.lifetime * 1000, token.expires_in() * 1000
        if response.shared:
            event: telemetry.events.Event = telemetry.events.SharedTokenTaken(
                generation=token.generation,
                lifetime_ms=lifetime_ms,
                expires_in_ms=expires_in_ms,
                duration_ms=duration * 1000,
            )
        else:
            event = telemetry.events.TokenExchanged(
                generation=token.generation,
                lifetime_ms=lifetime_ms,
                expires_in_ms=expires_in_ms,
                duration_ms=duration * 1000,
                request_id=response.request_id,
            )
        self._emit(event)

    def waited(self, duration: float, error: BaseException | None) -> None:
        """Report that a caller has waited for the last exchange, or for the one that ended in `error`."""
        request_id = self._request_id if error is None else request_id_of(error)
        if self._emit is not None:
            self._emit(telemetry.events.TokenWaited(duration_ms=duration * 1000, request_id=request_id))

    def failed(
        self, error: ScopeError, failures: int, retry_in: float, *, left: float, failing: bool = False
    ) -> None:
        """Report a failed exchange, the one number `failures`; the next is in `retry_in` seconds.

        `left` is how long the token still lives; `failing` says that a call made now would fail.
        """
        self._outage.occurred(
            "failed exchanges",
            "%s; %s; trying again in %.1f s",
            error,
            _life(left),
            retry_in,
            failing=failing,
        )
        if self._emit is not None:
            self._emit(
                telemetry.events.RenewalFailed(
                    error=type(error).__name__,
                    failures=failures,
                    retry_in_ms=retry_in * 1000,
                    request_id=request_id_of(error),
                )
            )

    def refused(self, error: ScopeError, retry_in: float, *, left: float) -> None:
        """Report that the auth API refused the credentials; it is asked again in `retry_in` seconds.

        `left` is how long the token still lives.
        """
        self._outage.recovered()
        self._refusal.occurred(
            "refused exchanges",
            "%s; %s; asking again in %.0f s, or as soon as the credentials change",
            error,
            _life(left),
            retry_in,
            failing=left <= 0,
        )
        if self._emit is not None:
            self._emit(
                telemetry.events.CredentialsRefused(
                    error=type(error).__name__,
                    retry_in_ms=retry_in * 1000,
                    request_id=request_id_of(error),
                )
            )

    def call_failed(self, error: Exception) -> None:
        """Report that a call fails, since there is no token for it."""
        episode = self._refusal if self._refusal.ongoing else self._outage
        if episode.ongoing:
            episode.occurred("failed calls", "%s", error, failing=True)

    def rejected(self, generation: int) -> None:
        """Report that the service refused the token number `generation`, which is not renewed yet."""
        self._rejections.occurred(
            "refused requests", "not renewing generation %d yet", generation, failing=True
        )


def _life(left: float) -> str:
    return f"the token lives {left:.0f} s more" if left > 0 else "there is no valid token"
