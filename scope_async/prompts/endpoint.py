"""The prompt versions' endpoint: asks the service, and holds its replies against the requests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any

from aiohttp.hdrs import ETAG, IF_NONE_MATCH
from yarl import URL

from scope_async import telemetry
from scope_async.config import Config, UnknownVariables
from scope_async.errors import ApiError, NoProductionVersionError, ScopeError
from scope_async.http.decoding import broken, is_success, read_error, read_object
from scope_async.http.failures import FOREIGN, GATEWAY, MISDIRECTED
from scope_async.http.messages import (
    NOT_FOUND,
    NOT_MODIFIED,
    OK,
    Reply,
    request_headers,
)
from scope_async.http.token_provider import TokenProvider
from scope_async.http.transport import Transport
from scope_async.http.urls import api_root
from scope_async.prompts.conditional import (
    FetchedVersion,
    KnownVersion,
    PromptRequest,
)
from scope_async.prompts.decoding import read_prompt_version
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion, raw_json, with_flags
from scope_async.telemetry.hooks import Emit

_NOT_THE_SERVICE = frozenset({GATEWAY, FOREIGN})

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
        self._base_url = config.base_url
        self._root = api_root(config.base_url, config.api_version)
        self._root_path = URL(self._root, encoded=True).raw_path
        self._is_scope = False
        self._foreign_reply: str | None = None
        self._url = lru_cache(config.cache_max_entries)(self._url_of)

    @property
    def foreign_reply(self) -> str | None:
        """The answer of a server other than Scope, if there was one; None once Scope has answered."""
        return None if self._is_scope else self._foreign_reply

    def fetch(
        self,
        ref: PromptRef,
        known: KnownVersion | None = None,
        max_retries: int | None = None,
        request_id: str | None = None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
    ) -> Coroutine[Any, Any, FetchedVersion]:
        """Return (when awaited) the version; that of `known` if the service says that it is current.

        The request is conditional if `known` has a validator. `max_retries` overrides the option of
        that name; `on_attempt_failed` is as in `Transport.call`.

        Raises:
            NoProductionVersionError: no production version, or no such prompt.
            ScopeError: what the last attempt failed with.
        """
        request = self._request("prompts.get", ref, request_id)
        if known is not None:
            request.validator = known.validator

        def read(reply: Reply) -> FetchedVersion:
            if reply.status == NOT_MODIFIED:
                return _not_modified(reply, known, request)
            validator = request.validator_of(reply.headers.get(ETAG))
            if known is not None and reply.status == OK and raw_json(known.version) == reply.body:
                return FetchedVersion(_current(known.version), validator)
            if reply.status == NOT_FOUND:
                raise self._not_found(ref, read_error(reply))
            version = read_prompt_version(reply, name=ref.name, unknown_variables=self._unknown_variables)
            if version.name != ref.name or ref.is_by_id:
                _check_answer(ref, version, reply)
            self._is_scope = True
            return FetchedVersion(version, validator)

        return self._transport.call(
            request,
            read if self._emit is None else _emitting(self._emit, read, ref, request.request_id),
            self._token_provider,
            max_retries,
            on_attempt_failed,
        )

    async def ping(self) -> None:
        """Return when the service accepted a request with our token.

        The service has no call for this, so it is asked for a prompt that need not exist.

        Raises:
            NotFoundError, AuthorizationError: a gateway or another server answered; names `base_url`.
            ScopeError: the reply was neither a success nor a 404.
        """
        request = self._request("prompts.ping", _PING)
        try:
            await self._transport.call(request, _read_ping, token_provider=self._token_provider)
        except ApiError as error:
            if error.error_code not in _NOT_THE_SERVICE:
                raise
            failure = error
        else:
            return
        message = (
            f"the Scope API is not at base_url = {self._base_url} (is its path right?): {failure.message}"
        )
        raise failure.replace(message=message)

    def _not_found(self, ref: PromptRef, error: ApiError) -> ApiError:
        if error.error_code == GATEWAY:
            return error
        if error.error_code == FOREIGN:
            self._foreign_reply = error.message
        else:
            self._is_scope = True
        return _no_production(ref.name, error) if ref.is_production else error

    def _request(self, operation: str, ref: PromptRef, request_id: str | None = None) -> PromptRequest:
        # By position, since keywords double what an object costs.
        url, template = self._url(ref.path), self._root_path + ref.template
        prompt = None if ref is _PING else ref.name
        return PromptRequest(operation, "GET", url, request_headers(request_id), template, prompt)

    def _url_of(self, path: str) -> URL:
        return URL(self._root + path, encoded=True)


def _emitting(
    emit: Emit, read: Callable[[Reply], FetchedVersion], ref: PromptRef, request_id: str
) -> Callable[[Reply], FetchedVersion]:
    """Return `read` with an event for what it read."""

    def read_and_emit(reply: Reply) -> FetchedVersion:
        fetched = read(reply)
        emit(
            telemetry.events.PromptFetched(
                request_id=request_id,
                prompt=ref.name,
                selector=ref.selector,
                version_id=fetched.version.id,
                version_number=fetched.version.version_number,
                not_modified=fetched.not_modified,
            )
        )
        return fetched

    return read_and_emit


def _not_modified(reply: Reply, known: KnownVersion | None, request: PromptRequest) -> FetchedVersion:
    """Return the copy in hand, which the reply says is current (RFC 9110 section 15.4.5).

    Raises:
        ServerError: the request was not conditional, or the reply is about another version; the
            next attempt is sent without a condition.
    """
    etag = reply.headers.get(ETAG)
    validator = None if known is None else known.validator
    if known is None or validator is None or IF_NONE_MATCH not in reply.sent:
        raise broken(reply, "the service answered 304, and no condition was sent", MISDIRECTED)
    if etag is not None and not validator.matches(etag):
        request.withdraw_condition()
        raise broken(reply, "the service answered 304 for another version", MISDIRECTED)
    return FetchedVersion(_current(known.version), validator, not_modified=True)


def _current(version: PromptVersion) -> PromptVersion:
    return with_flags(version) if version.is_stale else version


def _check_answer(ref: PromptRef, version: PromptVersion, reply: Reply) -> None:
    """Refuse an answer to another question (contract 1.3), by the fields that it has.

    Raises:
        ServerError: it is for another prompt or another version.
    """
    if ref.name not in (version.name, version.prompt_id):
        raise broken(reply, f"the service answered for prompt {version.name[:100]!r}", MISDIRECTED)
    if ref.is_by_id and ref.selector != version.id and ref.selector != version.raw.get("id"):
        raise broken(reply, f"the service answered with version {version.id[:100]!r}", MISDIRECTED)


def _read_ping(reply: Reply) -> None:
    if is_success(reply):
        read_object(reply)
        return
    error = read_error(reply)
    if reply.status != NOT_FOUND or error.error_code in _NOT_THE_SERVICE:
        raise error


def _no_production(name: str, error: ApiError) -> NoProductionVersionError:
    message = f"prompt {name!r} has no production version, or does not exist: {error.message}"
    special = error.replace(NoProductionVersionError, message=message)
    special.name = name
    return special
