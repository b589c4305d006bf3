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
        self._attempting = False
        self._asking_again = False
        self.next_from = _NEVER
        self._under_way = 0
        self._last_value = ""
        self.provider_error: Callable[[], BaseException] | None = None
        self.expiry: dict[str, float] = {}
        self.valid_until = _NEVER
        self.answered_at = _NEVER
        self.granted = False
        self.excused = False
        self.forced = 0
        self.most_in_flight = 0
        self.change_credentials()

    def change_credentials(self) -> None:
        self._keys += 1
        self.credentials = ApiKeyCredentials("org_1", f"key_{self._keys}", f"secret_{self._keys}")

    async def provider(self) -> ApiKeyCredentials:
        if not self._attempting and not self._asking_again:
            self._begin()
        self._asking_again = False
        if self.provider_error is not None:
            if self._loaded is None:
                self._end_failed(None)
            raise self.provider_error()
        self._loaded = self.credentials
        return self.credentials

    async def exchange(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        assert credentials == self._loaded
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
            self.granted = True
        self._reply().set_result(ExchangeResponse(self._last_value, lifetime))

    def fail(self, error: BaseException) -> None:
        self._end_failed(error.retry_after if isinstance(error, ApiError) else None)
        self._reply().set_exception(error)

    def refuse(self) -> None:
        # The provider is asked again, and with other credentials the auth API, in the same exchange.
        self._asking_again = True
        if self.provider_error is not None or self.credentials == self._asked_with:
            self._end(self._clock.monotonic() + 30.0)
        self._reply().set_exception(InvalidCredentialsError("refused", http_status=401))

    def _reply(self) -> asyncio.Future[ExchangeResponse]:
        assert self._answer is not None
        return self._answer

    def _begin(self) -> None:
        self._attempting = True
        early = self._clock.monotonic() < self.next_from - _EPSILON
        self.forced += early and not self.excused
        self.excused = False

    def _end(self, next_from: float) -> None:
        self._attempting = self.granted = False
        self.answered_at = self._clock.monotonic()
        self.next_from = next_from

    def _end_failed(self, retry_after: float | None) -> None:
        """Note a failure, which rests at least 0.5 s, 1 s without a token, or `Retry-After`.

        The death of the token in use is a new reason to ask; shortly before it there is a last call.
        """
        now = self._clock.monotonic()
        left = self.valid_until - now if self.tokens.peek() is not None else 0.0
        if left > 0:
            last_call = max(left - min(5.0, left / 2), min(0.5, left))
            self._end(now + min(max(retry_after or 0.0, 0.5), last_call))
        else:
            self._end(now + min(max(retry_after or 0.0, 1.0), 30.0))
