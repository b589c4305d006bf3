"""An auth API whose answers are given one by one, and the account of every exchange with it.

The account knows the rules of the token source as numbers of its own: nothing of it is taken
from the package, so that a mistake there cannot cancel itself out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scope_async import AccessToken, ApiError, ApiKeyCredentials, InvalidCredentialsError, TokenSource
from scope_async._core.clock import FakeClock
from scope_async.auth.exchange import ExchangeResponse

_NEVER = float("-inf")
_EPSILON = 1e-6


def usable_until(asked_at: float, lifetime: float) -> float:
    return asked_at + lifetime - min(5.0, 0.02 * lifetime)


class AuthModel:
    """The credentials, the auth API, and when the next exchange may begin.

    Attributes:
        tokens: the source that asks; set it before the first exchange.
        expiry: when the auth API stops accepting a token, by its value; monotonic seconds.
        valid_until: when the current token expires, unless it is refused before.
        excused: something has happened since the last exchange that calls for another at once.
        next_from: when the next exchange may begin, without such an excuse.
        answered_at: when the last exchange ended.
        granted: it gave a token.
        forced: exchanges that began before the last outcome allows it, without such an excuse.
    """

    tokens: TokenSource

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._keys = 0
        self._loaded: ApiKeyCredentials | None = None
        self._asked_at = 0.0
        self._asked_with: ApiKeyCredentials | None = None
        self._answer: asyncio.Future[ExchangeResponse] | None = None
        self._asking_again = False
        self._refused = False
        self._retries_left = 0
        self._retry_from = _NEVER
        self.next_from = _NEVER
        self._under_way = 0
        self._last_value = ""
        self.provider_error: Callable[[], BaseException] | None = None
        self.provider_hangs = False
        self.expiry: dict[str, float] = {}
        self.valid_until = _NEVER
        self.answered_at = _NEVER
        self.granted = False
        self.excused = False
        self.forced = 0
        self.most_in_flight = 0
        self.change_credentials()

    def source_closed(self) -> None:
        """Note that the source forgets what it knew of the credentials."""
        self._refused = False
        self.excused = True

    def change_credentials(self) -> None:
        self._keys += 1
        self.credentials = ApiKeyCredentials("org_1", f"key_{self._keys}", f"secret_{self._keys}")

    async def provider(self) -> ApiKeyCredentials:
        if self.provider_hangs:
            await asyncio.get_running_loop().create_future()
        if self.provider_error is not None:
            if self._loaded is None:
                self._begin(None)
                self._end_failed(None)
            raise self.provider_error()
        self._loaded = self.credentials
        return self.credentials

    async def exchange(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        assert credentials == self._loaded
        # Refused, it may be tried at once with other credentials.
        if not self._asking_again or credentials == self._asked_with:
            self._begin(credentials)
        self._asking_again = False
        self._answer = answer = asyncio.get_running_loop().create_future()
        self._asked_at, self._asked_with = self._clock.monotonic(), credentials
        self._under_way += 1
        self.most_in_flight = max(self.most_in_flight, self._under_way)
        try:
            return await answer
        finally:
            self._under_way -= 1
            if answer.cancelled():
                self._end(_NEVER)

    @property
    def asked(self) -> bool:
        """True while an exchange waits for its answer."""
        return self._answer is not None and not self._answer.done()

    @property
    def can_grant_again(self) -> bool:
        return self.expiry.get(self._last_value, _NEVER) > self._asked_at

    def grant(self, lifetime: float) -> None:
        """Answer with a new token that lives `lifetime` seconds from when it was asked for."""
        self._last_value = f"token-{len(self.expiry) + 1}"
        self.expiry[self._last_value] = self._asked_at + lifetime
        self._hand_out(lifetime)

    def grant_again(self) -> None:
        """Answer with the last token, and the life that it had left when it was asked for."""
        self._hand_out(self.expiry[self._last_value] - self._asked_at)

    def _hand_out(self, lifetime: float) -> None:
        if self._clock.monotonic() >= usable_until(self._asked_at, lifetime):
            self._end_failed(None)
        else:
            self.valid_until = usable_until(self._asked_at, lifetime)
            # The buffer takes at most half of the lifetime, the jitter at most a tenth.
            self._end(self._asked_at + 0.4 * lifetime)
            self.granted, self._refused = True, False
        self._reply().set_result(ExchangeResponse(self._last_value, lifetime))

    def fail(self, error: BaseException) -> None:
        self._end_failed(error.retry_after if isinstance(error, ApiError) else None)
        self._reply().set_exception(error)

    def refuse(self) -> None:
        # The provider is asked again, and with other credentials the auth API, in the same exchange.
        self._asking_again = self._refused = True
        now = self._clock.monotonic()
        self._end(now + min(30.0, self._last_call(now)))
        self._retries_left = 0
        self._reply().set_exception(InvalidCredentialsError("refused", http_status=401))

    def _reply(self) -> asyncio.Future[ExchangeResponse]:
        assert self._answer is not None
        return self._answer

    def _begin(self, credentials: ApiKeyCredentials | None) -> None:
        now = self._clock.monotonic()
        if now >= self.next_from - _EPSILON or self.excused:
            self._retries_left = 3
        elif self._retries_left > 0 and now >= self._retry_from - _EPSILON:
            self._retries_left -= 1  # of the same renewal, for those who wait
        elif not (self._refused and credentials != self._asked_with):
            self.forced += 1
        self.excused = False

    def _end(self, next_from: float) -> None:
        self.granted = False
        self.answered_at = self._clock.monotonic()
        self.next_from = next_from

    def _end_failed(self, retry_after: float | None) -> None:
        """Note a failure, which rests at least 0.5 s, 1 s without a token, or `Retry-After`.

        The death of the token in use is a new reason to ask; shortly before it there is a last call.
        Without a token there are retries for those who wait, and a probe of refused credentials is none.
        """
        now = self._clock.monotonic()
        self._retry_from = now + (retry_after or 0.0)
        if self.valid_until > now and self.tokens.peek() is not None:
            self._retries_left = 0
            self._end(now + min(max(retry_after or 0.0, 0.5), self._last_call(now)))
        else:
            if self._refused:
                self._retries_left = 0
            self._end(now + min(max(retry_after or 0.0, 1.0), 30.0))

    def _last_call(self, now: float) -> float:
        """Return the seconds until the last attempt before the token in use expires; infinite without one."""
        if self.tokens.peek() is None:
            return float("inf")
        left = self.valid_until - now
        return max(left - min(5.0, left / 2), min(0.5, left))
