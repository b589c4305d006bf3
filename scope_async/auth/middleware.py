"""The token on every request, and the rule for 401: `BearerAuth` for any aiohttp session."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import ClientRequest, ClientResponse, hdrs, payload
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from scope_async.auth.source import TokenSource
from scope_async.auth.token import AccessToken
from scope_async.http.token_provider import UNAUTHORIZED

_MOST_REPLAYS = 2


class SourceTokenProvider:
    """The source's token, and after a 401 the next one (RFC 6750 section 3.1).

    Exactly the token that was refused is invalidated. A request is worth one replay with a new
    token, and one more if the credentials have changed meanwhile.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self.peek = tokens.peek
        self.get = tokens.get

    async def replacement(self, refused: Sequence[AccessToken], /) -> AccessToken | None:
        """Return the token to replay with after all of `refused`, oldest first; None: the 401 stands.

        Raises:
            InvalidCredentialsError, TokenRefreshError, ClientClosedError: as `TokenSource.get`.
        """
        last = refused[-1]
        self._tokens.invalidate(last)
        if len(refused) > _MOST_REPLAYS:
            return None
        token = await self._tokens.get()
        if token.generation == last.generation:
            return None
        return token if len(refused) == 1 or token.api_key != refused[0].api_key else None


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
        self._bearer = SourceTokenProvider(tokens)
        self._invalidate = tokens.invalidate
        api = URL(tokens.config.base_url)
        self._origin = (api.scheme, api.host, api.port)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        url = request.url
        if (url.scheme, url.host, url.port) != self._origin:
            return await handler(request)
        token = self._bearer.peek() or await self._bearer.get()
        request.headers[hdrs.AUTHORIZATION] = token.authorization
        response = await handler(request)
        if response.status != UNAUTHORIZED:
            return response
        if not _can_be_sent_again(request):
            self._invalidate(token)
            return response
        return await self._replay(request, handler, response, [token])

    async def _replay(
        self,
        request: ClientRequest,
        handler: ClientHandlerType,
        response: ClientResponse,
        refused: list[AccessToken],
    ) -> ClientResponse:
        while response.status == UNAUTHORIZED:
            try:
                token = await self._bearer.replacement(refused)
            except BaseException:
                response.close()
                raise
            if token is None:
                break
            refused.append(token)
            response.release()
            request.headers[hdrs.AUTHORIZATION] = token.authorization
            response = await handler(request)
        return response


def _can_be_sent_again(request: ClientRequest) -> bool:
    body = request.body
    return isinstance(body, bytes | payload.BytesPayload)
