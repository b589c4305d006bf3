"""The prompt versions' endpoint: asks the service, and reads its replies."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from yarl import URL

from scope_async.config import Config, UnknownVariables
from scope_async.errors import ApiError, NoProductionVersionError, ScopeError
from scope_async.http.decoding import read_error
from scope_async.http.messages import Reply, Request, api_root, request_headers
from scope_async.http.token_provider import TokenProvider
from scope_async.http.transport import Transport
from scope_async.prompts.decoding import read_prompt_version
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion, raw_json
from scope_async.telemetry.events import Emit, PromptFetched

_PING = PromptRef.of("scope-async-ping")


class PromptEndpoint:
    """Asks the service for prompt versions, one request per call and its retries."""

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport,
        token_provider: TokenProvider[Any],
        emit: Emit | None = None,
    ) -> None:
        self._unknown_variables: UnknownVariables = config.unknown_variables
        self._transport = transport
        self._token_provider = token_provider
        self._emit = emit
        self._root = api_root(config.base_url, config.api_version)
        self._root_path = URL(self._root, encoded=True).raw_path
        self._url = lru_cache(config.cache_max_entries)(self._url_of)

    def fetch(
        self,
        ref: PromptRef,
        *,
        known: PromptVersion | None = None,
        max_retries: int | None = None,
        request_id: str | None = None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
    ) -> Coroutine[Any, Any, PromptVersion]:
        """Return (when awaited) the version; `known` itself if the reply has the very same bytes.

        `max_retries` overrides the option of that name; `on_attempt_failed` is as in `Transport.call`.

        Raises:
            NoProductionVersionError: no production version, or no such prompt.
            ScopeError: what the last attempt failed with.
        """

        def read(reply: Reply) -> PromptVersion:
            if known is not None and reply.status == HTTPStatus.OK and raw_json(known) == reply.body:
                return known
            if reply.status == HTTPStatus.NOT_FOUND and ref.is_production:
                raise _no_production(ref.name, read_error(reply))
            return read_prompt_version(reply, name=ref.name, unknown_variables=self._unknown_variables)

        request = self._request("prompts.get", ref, request_id)
        return self._transport.call(
            request,
            read if self._emit is None else _emitting(self._emit, read, ref, request.request_id),
            token_provider=self._token_provider,
            max_retries=max_retries,
            on_attempt_failed=on_attempt_failed,
        )

    async def ping(self) -> None:
        """Return when the service accepted a request with our token.

        The service has no call for this, so it is asked for a prompt that need not exist.

        Raises:
            ScopeError: the reply was neither a success nor a 404.
        """
        await self._transport.call(
            self._request("prompts.ping", _PING), _read_ping, token_provider=self._token_provider
        )

    def _request(self, operation: str, ref: PromptRef, request_id: str | None = None) -> Request:
        return Request(
            operation=operation,
            method="GET",
            url=self._url(ref.path),
            headers=request_headers(request_id),
            template=self._root_path + ref.template,
            prompt=None if ref is _PING else ref.name,
        )

    def _url_of(self, path: str) -> URL:
        return URL(self._root + path, encoded=True)


def _emitting(
    emit: Emit, read: Callable[[Reply], PromptVersion], ref: PromptRef, request_id: str
) -> Callable[[Reply], PromptVersion]:
    """Return `read` with an event for what it read."""

    def read_and_emit(reply: Reply) -> PromptVersion:
        version = read(reply)
        emit(
            PromptFetched(
                request_id=request_id,
                prompt=ref.name,
                selector=ref.selector,
                version_id=version.id,
                version_number=version.version_number,
            )
        )
        return version

    return read_and_emit


def _read_ping(reply: Reply) -> None:
    if reply.status != HTTPStatus.NOT_FOUND and not 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110
        raise read_error(reply)


def _no_production(name: str, error: ApiError) -> NoProductionVersionError:
    message = f"prompt {name!r} has no production version, or does not exist: {error.message}"
    special = error.replace(NoProductionVersionError, message=message)
    special.name = name
    return special
