"""`BearerAuth`: the token on every request, and the rule for 401."""

from __future__ import annotations

from aiohttp import ClientRequest, ClientResponse, hdrs, payload
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from scope_async.tokens.source import TokenSource
from scope_async.tokens.token import AccessToken

_UNAUTHORIZED = 401


class BearerAuth:
    """An aiohttp client middleware that sends the source's token to the Scope API, and only there.

    `aiohttp.ClientSession(middlewares=[BearerAuth(tokens)])`. Requests to another origin than
    `base_url` pass untouched, so that a redirect never carries the token away.

    When the service answers 401, exactly the token that was sent is invalidated, and the
    request is replayed once with a new one (RFC 6750 section 3.1); once more if the
    credentials have changed meanwhile. A request whose body cannot be sent twice is not replayed.

    Raises (from the request):
        InvalidCredentialsError, TokenRefreshError, ClientClosedError: as `TokenSource.get`.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        api = URL(tokens.config.base_url)
        self._origin = (api.scheme, api.host, api.port)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        url = request.url
        if (url.scheme, url.host, url.port) != self._origin:
            return await handler(request)
        token = self._tokens.peek() or await self._tokens.get()
        request.headers[hdrs.AUTHORIZATION] = token.authorization
        response = await handler(request)
        if response.status != _UNAUTHORIZED or not _can_be_sent_again(request):
            if response.status == _UNAUTHORIZED:
                self._tokens.invalidate(token)
            return response
        return await self._replay(request, handler, response, token)

    async def _replay(
        self,
        request: ClientRequest,
        handler: ClientHandlerType,
        response: ClientResponse,
        refused: AccessToken,
    ) -> ClientResponse:
        first_key = refused.api_key
        for replay in (1, 2):
            self._tokens.invalidate(refused)
            try:
                token = await self._tokens.get()
            except BaseException:
                response.close()
                raise
            if token.generation == refused.generation or (replay > 1 and token.api_key == first_key):
                return response
            response.release()
            request.headers[hdrs.AUTHORIZATION] = token.authorization
            response = await handler(request)
            if response.status != _UNAUTHORIZED:
                return response
            refused = token
        self._tokens.invalidate(refused)
        return response


def _can_be_sent_again(request: ClientRequest) -> bool:
    body = request.body
    return isinstance(body, bytes | payload.BytesPayload)
