"""Logs and emits an event for each exchange and each wait for a token; never a token's value."""

from __future__ import annotations

import logging

from scope_async.auth.refresh_policy import RefreshTimes
from scope_async.auth.token import AccessToken
from scope_async.errors import ScopeError
from scope_async.http.instrumentation import request_id_of
from scope_async.telemetry.events import (
    BufferClamped,
    CredentialsRefused,
    Emit,
    RenewalFailed,
    TokenExchanged,
    TokenWaited,
)

_logger = logging.getLogger("scope_async.auth")


class TokenInstrumentation:
    """Reports exchanges and waits to the log and the hooks; times are in seconds."""

    def __init__(self, emit: Emit, *, configured_buffer: float) -> None:
        self._emit = emit
        self._configured_buffer = configured_buffer
        self._clamp_reported = False
        self._request_id: str | None = None
        self._failures = 0  # since the last token

    def exchanged(
        self, token: AccessToken, planned: RefreshTimes, duration: float, request_id: str | None
    ) -> None:
        """Report a new token, and once that its buffer was clamped."""
        self._request_id = request_id
        if self._failures:
            _logger.info("the token could be renewed again after %d failures", self._failures)
            self._failures = 0
        _logger.debug(
            "token generation %d for API key %s lives %.0f s", token.generation, token.api_key, token.lifetime
        )
        self._emit(
            TokenExchanged(
                generation=token.generation,
                lifetime_ms=token.lifetime * 1000,
                expires_in_ms=token.expires_in() * 1000,
                duration_ms=duration * 1000,
                request_id=request_id,
            )
        )
        if planned.clamped and not self._clamp_reported:
            self._clamp_reported = True
            _logger.warning(
                "token_refresh_buffer is %.0f s but tokens live %.0f s; renewing %.1f s before expiry",
                self._configured_buffer,
                token.lifetime,
                planned.buffer,
            )
            self._emit(BufferClamped(wanted_ms=self._configured_buffer * 1000, used_ms=planned.buffer * 1000))

    def waited(self, duration: float, error: BaseException | None) -> None:
        """Report that a caller has waited for the last exchange, or for the one that ended in `error`."""
        request_id = self._request_id if error is None else request_id_of(error)
        self._emit(TokenWaited(duration_ms=duration * 1000, request_id=request_id))

    def failed(self, error: ScopeError, failures: int, retry_in: float) -> None:
        """Report a failed exchange, the one number `failures`; the next is in `retry_in` seconds."""
        self._failures += 1
        _logger.warning("the token could not be renewed: %s; trying again in %.1f s", error, retry_in)
        self._emit(
            RenewalFailed(
                error=type(error).__name__,
                failures=failures,
                retry_in_ms=retry_in * 1000,
                request_id=request_id_of(error),
            )
        )

    def refused(self, error: ScopeError, retry_in: float, *, first: bool) -> None:
        """Report that the auth API refused the credentials; it is asked again in `retry_in` seconds.

        The `first` time in a row is an error in the log, and the only line of it.
        """
        self._failures += 1
        level = logging.ERROR if first else logging.DEBUG
        _logger.log(
            level, "%s; asking again in %.0f s, or as soon as the credentials change", error, retry_in
        )
        self._emit(
            CredentialsRefused(
                error=type(error).__name__,
                retry_in_ms=retry_in * 1000,
                request_id=request_id_of(error),
            )
        )
