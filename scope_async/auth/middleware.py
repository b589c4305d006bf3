"""The token on every request: for the transport, and `BearerAuth` for any aiohttp session."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import ClientRequest, ClientResponse, hdrs, payload
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from scope_async.auth.source import TokenSource
from scope_async.auth.token import AccessToken
from scope_async.http.token_provider import replay_while_unauthorized

_MAX_REPLAYS = 2


class SourceTokenProvider:
    """The source's token, and after a 401 the next one (RFC 6750 section 3.1).

    Exactly the rejected token is invalidated. A request is worth one replay with a new token, and
    one more if the credentials have changed meanwhile.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self.peek = tokens.peek
        self.get_within = tokens.get_within

    async def replacement(
        self, rejected: Sequence[AccessToken], seconds: float | None = None, /
    ) -> AccessToken | None:
        """Return a token to retry with after `rejected` (oldest first) got a 401, or None to give up.

        Raises:
            InvalidCredentialsError, TokenRefreshError, ClientClosedError: as `TokenSource.get`.
        """
        last = rejected[-1]
        self._tokens.invalidate(last)
        if len(rejected) > _MAX_REPLAYS:
            return None
        token = await (self._tokens.get() if seconds is None else self._tokens.get_within(seconds))
        if token.generation == last.generation:
            return None
        return token if len(rejected) == 1 or token.api_key != rejected[0].api_key else None


class BearerAuth:
    """An aiohttp client middleware that sends the source's token to the Scope API, and only there.

    `aiohttp.ClientSession(middlewares=[BearerAuth(tokens)])`. Requests to another origin than
    `base_url` pass untouched, so that a redirect never carries the token away.

    When the service answers 401, exactly the token that was sent is invalidated, and the
    request is replayed once with a new one (RFC 6750 section 3.1); once more if the
    credentials have changed meanwhile. A request whose body can be sent only once is not replayed.

    Raises (from the request):
        InvalidCredentialsError, TokenRefreshError, ClientClosedError: as `TokenSource.get`.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self._replacement = SourceTokenProvider(tokens).replacement
        api = URL(tokens.config.base_url)
        self._origin = (api.scheme, api.host, api.port)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        url = request.url
        if (url.scheme, url.host, url.port) != self._origin:
            return await handler(request)
        token = self._tokens.peek() or await self._tokens.get()
        request.headers[hdrs.AUTHORIZATION] = token.authorization
        response = await handler(request)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        if not _can_be_sent_again(request):
            self._tokens.invalidate(token)
            return response
        return await self._replay(request, handler, response, token)

    async def _replay(
        self, request: ClientRequest, handler: ClientHandlerType, response: ClientResponse, token: AccessToken
    ) -> ClientResponse:
        async def send_with(token: AccessToken, _: Sequence[AccessToken]) -> ClientResponse:
            nonlocal response
            response.release()
            request.headers[hdrs.AUTHORIZATION] = token.authorization
            response = await handler(request)
            return response

        try:
            return await replay_while_unauthorized(
                response, token, replacement=self._replacement, send=send_with
            )
        except BaseException:
            response.close()
            raise


def _can_be_sent_again(request: ClientRequest) -> bool:
    body = request.body
    return isinstance(body, bytes | payload.BytesPayload)
