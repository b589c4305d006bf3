"""`ScopeClient`: puts the parts together, opens and closes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import aiohttp

from scope_async import telemetry
from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.auth.exchange import Exchange
from scope_async.auth.middleware import SourceTokenProvider
from scope_async.auth.source import TokenSource
from scope_async.config import Config, Options, check_option_names
from scope_async.credentials import ApiKeyCredentials, CredentialProvider, EnvCredentials
from scope_async.environment import CREDENTIALS_VARIABLE, Environment
from scope_async.http.transport import Transport
from scope_async.prompts.reference import Label
from scope_async.prompts.service import PromptService
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.dispatcher import Dispatcher, hooks_for_client, log_hooks
from scope_async.telemetry.hooks import Hook

if TYPE_CHECKING:
    from scope_async.prompts.fallback import Fallback
    from scope_async.status import ClientStatus
    from scope_async.stores.protocol import SharedStore


class ScopeClient:
    """Fetches, caches and renders prompt versions, with a token that is kept valid.

    Open it with `async with`, or with `start` and `aclose`, from any task, in any order, any
    number of times. One client serves thousands of concurrent coroutines, of one event loop or of
    several at a time, each in a thread of its own.

    Args:
        credentials: an `ApiKeyCredentials`, or a provider that is asked at every exchange.
        config: resolved options; without it they come from `options` and the environment.
        session: an `aiohttp.ClientSession` for the API calls; used, and never closed. The
            token exchange has a session of its own, so that a full pool cannot delay a token.
        hooks: callables that take one event (`scope_async.telemetry.events`).
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
        self.config = Config.resolve(config, options)
        clock = clock or SystemClock()
        self._background = Background()
        hooks = hooks_for_client((*hooks, *log_hooks()) if self.config.telemetry_enabled else (), self.config)
        self._emit = Dispatcher(hooks, self._background)
        emit = self._emit if self._emit.has_hooks else None
        self._start_emitted = False
        self._store = None
        if store is not None or self.config.store_url is not None:
            from scope_async.stores.opening import open_client_store  # noqa: PLC0415 - costs time to import

            self._store = open_client_store(store, self.config, self._background, clock, emit)
        self.tokens = TokenSource(
            credentials,
            config=self.config,
            hooks=() if emit is None else (emit,),
            clock=clock,
            exchange=exchange,
            background=self._background,
            store=self._store,
            on_organization_changed=lambda: self._prompts.clear(),  # noqa: PLW0108 - it is made below
        )
        self._transport = Transport(
            self.config, clock=clock, emit=emit, session=session, max_connections=self.config.max_connections
        )
        self._background.add_cleanup(self._transport.release)
        self._prompts = PromptService(
            self.config,
            transport=self._transport,
            token_provider=SourceTokenProvider(self.tokens),
            background=self._background,
            clock=clock,
            emit=emit,
            organization=lambda: self.tokens.organization,
            store=self._store,
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
        check_option_names(options)
        environment = Environment()
        environment.require_credentials()
        found = environment.options(explicit=options)
        environment.check()
        config = Config(**{**found, **options})
        provider: CredentialProvider = EnvCredentials()
        if environment.text(CREDENTIALS_VARIABLE) is not None:
            from scope_async.secrets.urls import credentials_from_env  # noqa: PLC0415 - costs time to import

            provider = credentials_from_env()
        return cls(
            provider, config=config, session=session, hooks=hooks, clock=clock, exchange=exchange, store=store
        )

    async def start(self) -> None:
        """Start the background tasks. Idempotent; does no I/O and cannot fail half-way.

        The first token exchange begins at once, and the first call that needs it joins it.
        """
        self._transport.open()
        starting = not self._background.running
        await self.tokens.start()
        if starting and self._emit.has_hooks:
            self._start_emitted = True
            base_url, environment = self.config.base_url, self.config.environment
            self._emit(telemetry.events.ClientStarted(base_url=base_url, environment=environment))

    async def aclose(self) -> None:
        """Wake all waiters with `ClientClosedError`, end the tasks, close our sessions. Idempotent.

        With `snapshot_path`, returns when the last good versions are on disk, or after 5 s on a
        file system that hangs.
        """
        opened, self._start_emitted = self._start_emitted or self._background.running, False
        try:
            self._prompts.close()
            if self._store is not None:
                await self._store.flush()
            await self.tokens.aclose()
        finally:
            # Started again meanwhile, it is in use: the last call decides.
            try:
                if not self._background.running:
                    await self._transport.aclose()
            finally:
                await self._prompts.flush()
                if opened and self._emit.has_hooks:
                    await self._emit.emit_final(telemetry.events.ClientClosed())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<ScopeClient {self.config.base_url} environment={self.config.environment!r} {self.tokens!r}>"

    async def get_prompt_version(
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
        # A fresh copy is the most frequent answer by far; it costs one coroutine instead of two.
        if cache and cache_ttl is None:
            found = self._prompts.peek(name, label, version)
            if found is not None:
                return found
        return await self._prompts.fetch(
            name, label=label, version=version, cache=cache, cache_ttl=cache_ttl, fallback=fallback
        )

    async def render_prompt(
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
        found = await self.get_prompt_version(
            name, label=label, version=version, cache=cache, cache_ttl=cache_ttl, fallback=fallback
        )
        return found.render(variables)

    async def get_prompt_versions(
        self, names: Iterable[str], *, label: Label | None = None
    ) -> dict[str, PromptVersion]:
        """Return a version of each prompt by its name, fetched concurrently.

        Raises:
            ScopeError: one error that names every prompt that could not be fetched.
        """
        return await self._prompts.get_many(names, label=label)

    async def prefetch(self, names: Iterable[str]) -> None:
        """Fill the cache with the production versions of `names`, at start-up for example.

        Raises:
            ScopeError: one error that names every prompt that could not be fetched.
        """
        await self._prompts.prefetch(names)

    def invalidate(self, name: str) -> None:
        """Drop every cached version of the prompt called `name`; the next read asks the service."""
        self._prompts.invalidate(name)

    def clear_cache(self) -> None:
        """Drop every cached prompt version."""
        self._prompts.clear()

    async def ping(self) -> None:
        """Return once the auth API has given a token that the Scope API accepts; for deploy scripts.

        Raises:
            ScopeError: what a call would fail with now.
        """
        await self._prompts.ping()

    def status(self) -> ClientStatus:
        """Return whether a call made now would be answered, and what is wrong; for readiness probes.

        Never waits and does no I/O; callable from any thread.
        """
        from scope_async.status import client_status  # noqa: PLC0415 - for probes alone

        store = None if self._store is None else self._store.status()
        foreign_reply = self._prompts.foreign_reply
        return client_status(self.tokens.status(), self._prompts.status(), store, foreign_reply=foreign_reply)
