"""Prompt versions as the service has them now."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import lru_cache
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

_OK = 200
_NOT_FOUND = 404
_NOBODY = PromptRef.of("scope-async-ping")


class PromptEndpoint:
    """Asks the service for prompt versions, one request per call and its retries."""

    def __init__(
        self, config: Config, *, transport: Transport, bearer: TokenProvider[Any], emit: Emit | None = None
    ) -> None:
        self._unknown_variables: UnknownVariables = config.unknown_variables
        self._transport = transport
        self._bearer = bearer
        self._emit = emit
        self._root = api_root(config.base_url, config.api_version)
        self._root_path = URL(self._root, encoded=True).raw_path
        self._url = lru_cache(config.cache_max_entries)(self._url_of)

    def fetch(
        self,
        selection: PromptRef,
        *,
        known: PromptVersion | None = None,
        max_retries: int | None = None,
        request_id: str | None = None,
        on_retry: Callable[[ScopeError], None] | None = None,
    ) -> Coroutine[Any, Any, PromptVersion]:
        """Return (when awaited) the selected version; `known` itself when the service says the very same.

        `max_retries` counts instead of the option of that name; `on_retry` is that of the request.

        Raises:
            NoProductionVersionError: no production version, or no such prompt.
            ScopeError: what the last attempt failed with.
        """

        def read(reply: Reply) -> PromptVersion:
            if known is not None and reply.status == _OK and raw_json(known) == reply.body:
                return known
            if reply.status == _NOT_FOUND and selection.is_production:
                raise _no_production(selection.name, read_error(reply))
            return read_prompt_version(reply, name=selection.name, unknown_variables=self._unknown_variables)

        request = self._request("prompts.get", selection, request_id, on_retry)
        return self._transport.call(
            request,
            read
            if self._emit is None
            else self._read_and_emit(self._emit, read, selection, request.request_id),
            token_provider=self._bearer,
            max_retries=max_retries,
        )

    @staticmethod
    def _read_and_emit(
        emit: Emit, read: Callable[[Reply], PromptVersion], selection: PromptRef, request_id: str
    ) -> Callable[[Reply], PromptVersion]:
        """Return `read` with an event for what it read."""

        def read_and_tell(reply: Reply) -> PromptVersion:
            version = read(reply)
            emit(
                PromptFetched(
                    request_id=request_id,
                    prompt=selection.name,
                    selector=selection.selector,
                    version_id=version.id,
                    version_number=version.version_number,
                )
            )
            return version

        return read_and_tell

    async def ping(self) -> None:
        """Return when the service accepted a request with our token.

        The service has no call for this, so it is asked for a prompt that need not exist.

        Raises:
            ScopeError: anything else than a prompt, or that there is none.
        """
        await self._transport.call(
            self._request("prompts.ping", _NOBODY), _read_ping, token_provider=self._bearer
        )

    def _request(
        self,
        operation: str,
        selection: PromptRef,
        request_id: str | None = None,
        on_retry: Callable[[ScopeError], None] | None = None,
    ) -> Request:
        return Request(
            operation=operation,
            method="GET",
            url=self._url(selection.path),
            headers=request_headers(request_id),
            template=self._root_path + selection.template,
            prompt=None if selection is _NOBODY else selection.name,
            on_retry=on_retry,
        )

    def _url_of(self, path: str) -> URL:
        return URL(self._root + path, encoded=True)


def _read_ping(reply: Reply) -> None:
    if reply.status != _NOT_FOUND and not 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110
        raise read_error(reply)


def _no_production(name: str, error: ApiError) -> NoProductionVersionError:
    message = f"prompt {name!r} has no production version, or does not exist: {error.message}"
    special = error.replace(NoProductionVersionError, message=message)
    special.name = name
    return special
