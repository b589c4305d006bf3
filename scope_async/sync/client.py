"""`ScopeClient` without `async`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import aiohttp

from scope_async._core.clock import Clock
from scope_async.auth.exchange import Exchange
from scope_async.client import ScopeClient as AsyncScopeClient
from scope_async.config import Config, Options
from scope_async.credentials import ApiKeyCredentials, CredentialProvider
from scope_async.prompts.reference import Label
from scope_async.prompts.version import PromptVersion
from scope_async.sync.calls import ClientCalls, refuse_session
from scope_async.sync.tokens import ClientTokens
from scope_async.telemetry.hooks import Hook

if TYPE_CHECKING:
    from scope_async.prompts.fallback import Fallback
    from scope_async.status import ClientStatus
    from scope_async.stores.protocol import SharedStore


class ScopeClient:
    """Fetches, caches and renders prompt versions, with a token that is kept valid.

    Usable from any thread, also when it was made at import time or before a fork. Making it starts
    nothing; the first call that needs the service starts the one thread of this process in which
    all clients of `scope_async.sync` do their I/O. What is in memory is read in the caller's own
    thread. Close it with `with` or `close`; what is open at exit is closed then.

    Inside a running event loop it returns what is in memory; what would have to wait raises a
    `ConfigurationError`: `scope_async.ScopeClient` is for there.

    Args:
        credentials: an `ApiKeyCredentials`, or a provider that is asked at every exchange.
        config: resolved options; without it they come from `options` and the environment.
        session: not possible here, since a session belongs to an event loop.
        hooks: callables that take one event (`scope_async.telemetry.events`); they see the
            caller's `contextvars`, and are called in its thread or in that of the event loop.
        clock: for tests.
        exchange: how credentials become a token (`scope_async.auth.exchange.Exchange`), for tests
            and other auth services; default is the auth API over HTTP.
        store: what processes share (`scope_async.stores`), closed with the client; default is `store_url`.
        options: the fields of `Config`; each wins over `config` and the environment.

    Raises:
        TypeError: an option that does not exist.
        ConfigurationError: an option is missing or wrong; everything missing is named.
    """

    def __init__(
        self,
        credentials: ApiKeyCredentials | CredentialProvider,
        *,
        config: Config | None = None,
        session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
        exchange: Exchange | None = None,
        store: SharedStore | None = None,
        **options: Unpack[Options],
    ) -> None:
        refuse_session(session)
        self._adopt(
            _InnerClient(
                credentials,
                config=config,
                hooks=hooks,
                clock=clock,
                exchange=exchange,
                store=store,
                **options,
            )
        )

    @classmethod
    def from_env(
        cls,
        *,
        session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
        exchange: Exchange | None = None,
        store: SharedStore | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Return a client whose credentials and options come from the environment.

        The credentials are where `SCOPE_CREDENTIALS` says, without it in the variables themselves,
        and are read anew at every exchange. An option that is given here wins over its variable.

        Raises:
            TypeError: an option that does not exist.
            MissingApiKeyError: a credential is missing (all that is missing is named).
            ConfigurationError: anything else is missing or wrong.
        """
        refuse_session(session)
        client = cls.__new__(cls)
        inner = _InnerClient.from_env(hooks=hooks, clock=clock, exchange=exchange, store=store, **options)
        client._adopt(inner)  # noqa: SLF001 - of its own class
        return client

    def _adopt(self, client: _InnerClient) -> None:
        self._client = client
        self._calls = ClientCalls(client, client.config.timeout)
        self._refreshing: set[tuple[str, str | None, str | None]] = set()
        self.config = client.config
        self.tokens = ClientTokens(client.tokens, self._calls)

    def start(self) -> None:
        """Start the background tasks. Idempotent; does no I/O and cannot fail half-way.

        The first token exchange begins at once, and the first call that needs it joins it.
        """
        # Not waited for, so that it can be called everywhere: later calls come after it.
        self._calls.submit(self._client.start)

    def close(self) -> None:
        """Wake all waiters with `ClientClosedError`, end the tasks, close our sessions. Idempotent.

        With `snapshot_path`, returns when the last good versions are on disk, or after 5 s on a
        file system that hangs.
        """
        self._calls.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._client)

    def get_prompt_version(
        self,
        name: str,
        *,
        label: Label | None = None,
        version: str | None = None,
        cache: bool = True,
        cache_ttl: float | None = None,
        fallback: Fallback | None = None,
    ) -> PromptVersion:
        """Return a version of the prompt called `name` (or with that id).

        Args:
            name: 1 to 255 characters; always sent as one path segment.
            label: `production` (the default) or `latest`.
            version: the id of a version, instead of a label.
            cache: False asks the service, and stores the answer.
            cache_ttl: seconds this answer stays fresh, instead of the option of that name; 0
                neither reads nor stores.
            fallback: used when neither the service nor a cached copy can answer.

        Raises:
            ValidationError: an argument is not acceptable; nothing was sent.
            NoProductionVersionError: the prompt has no production version, or does not exist.
            NotFoundError: no such version.
            AuthenticationError, AuthorizationError: the credentials do not allow it.
            ConnectionError, RateLimitError, ServerError: the service did not answer as it
                should, also after `max_retries` more attempts.
            ClientClosedError: the client was closed.
        """
        if cache and cache_ttl is None:
            found = self._client.peek(name, label, version)
            if found is not None:
                return found
            found = self._serve_stale(name, label, version)
            if found is not None:
                return found
        wait = None
        if fallback is not None:
            from scope_async.sync.caller_thread import CallerThread  # noqa: PLC0415 - few have one

            here = CallerThread()
            fallback, wait = here.fallback(fallback), here.wait
        call = partial(
            self._client.get_prompt_version,
            name,
            label=label,
            version=version,
            cache=cache,
            cache_ttl=cache_ttl,
            fallback=fallback,
        )
        return self._calls.run(call, wait)

    def render_prompt(
        self,
        name: str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: Label | None = None,
        version: str | None = None,
        cache: bool = True,
        cache_ttl: float | None = None,
        fallback: Fallback | None = None,
    ) -> str:
        """Return the text of a prompt version with `variables` filled in.

        Raises:
            MissingVariableError: variables without a value, all of them.
            ValidationError: unknown variables, or a value that has no text form.
            ScopeError: as `get_prompt_version`.
        """
        found = self.get_prompt_version(
            name, label=label, version=version, cache=cache, cache_ttl=cache_ttl, fallback=fallback
        )
        return found.render(variables)

    def get_prompt_versions(
        self, names: Iterable[str], *, label: Label | None = None
    ) -> dict[str, PromptVersion]:
        """Return a version of each prompt by its name, fetched concurrently.

        Raises:
            ScopeError: one error that names every prompt that could not be fetched.
        """
        return self._calls.run(partial(self._client.get_prompt_versions, names, label=label))

    def prefetch(self, names: Iterable[str]) -> None:
        """Fill the cache with the production versions of `names`, at start-up for example.

        Raises:
            ScopeError: one error that names every prompt that could not be fetched.
        """
        self._calls.run(partial(self._client.prefetch, names))

    def invalidate(self, name: str) -> None:
        """Drop every cached version of the prompt called `name`; the next read asks the service."""
        self._client.invalidate(name)

    def clear_cache(self) -> None:
        """Drop every cached prompt version."""
        self._client.clear_cache()

    def ping(self) -> None:
        """Return once the auth API has given a token that the Scope API accepts; for deploy scripts.

        Raises:
            ScopeError: what a call would fail with now.
        """
        self._calls.run(self._client.ping)

    def status(self) -> ClientStatus:
        """Return whether a call made now would be answered, and what is wrong; for readiness probes.

        Never waits and does no I/O; callable from any thread.
        """
        return self._client.status()

    def _serve_stale(self, name: str, label: Label | None, version: str | None) -> PromptVersion | None:
        """Return a copy that is no longer fresh, if it is served at once; its refresh is left to the loop."""
        found = self._client.peek_stale(name, label, version)
        key = (name, label, version)
        if found is not None and key not in self._refreshing:
            self._refreshing.add(key)
            refreshed = self._calls.submit(partial(self._client.refresh, name, label, version))
            refreshed.add_done_callback(lambda _: self._refreshing.discard(key))
        return found


class _InnerClient(AsyncScopeClient):
    """The asynchronous client that lives in the loop's thread, and what other threads may read of it."""

    def peek(self, name: str, label: str | None, version: str | None) -> PromptVersion | None:
        """Return a fresh copy from memory, or None; never waits, and checks no argument."""
        return self._prompts.peek(name, label, version)

    def peek_stale(self, name: str, label: Label | None, version: str | None) -> PromptVersion | None:
        """Return the copy in memory that a read would be served at once, or None."""
        return self._prompts.peek_stale(name, label, version)

    async def refresh(self, name: str, label: Label | None, version: str | None) -> None:
        """Fetch in the background what such a read fetches; does not wait for it."""
        self._prompts.refresh(name, label, version)
