"""The server of a Local Scope: its parts, its start and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scope_async._core.clock import FakeClock
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ClientClosedError, ConfigurationError
from scope_async.local.api.login_throttle import LoginThrottle
from scope_async.local.app import build_app
from scope_async.local.export import StateTransfer
from scope_async.local.faults.registry import Faults
from scope_async.local.identifiers import new_secret
from scope_async.local.options import check_admin_token, check_public_url
from scope_async.local.pages.routes import settings_link
from scope_async.local.prompt_files import LoadedPrompts, Prompts, load_prompts
from scope_async.local.store.key_models import NewKey
from scope_async.local.store.store import Store
from scope_async.local.tokens import Signer
from scope_async.local.web.authentication import Role
from scope_async.local.web.journal import Journal
from scope_async.local.web.listener import Listener

_logger = logging.getLogger("scope_async.local")


class LocalServer:
    """Serves the auth API, the prompts API and the API keys of one organization, for tests and development.

    The content is in memory, or with `path` in one SQLite file. The file survives restarts and
    `kill -9`; of the audit trail, uses and refusals of the last second may be lost. `port=0`
    takes a free port. Tokens live `token_ttl` seconds. `prompts` is a mapping of name to content
    or a folder (see `load_prompts`); in an existing store, only what was changed there since the
    last start becomes a new version. A file that is no prompt is passed over, or with
    `strict_prompts` stops the start.
    `public_url` is the address by which clients and browsers reach it, through a published port
    or a proxy that takes its path off. `admin_token` and the `credentials` of the first API key
    are made up unless they are given.

    `start` and `aclose` are idempotent and may be called from any task. A closed Local Scope
    cannot be started again: make another.

    Attributes:
        admin_token: may do everything; kept in memory only.
        editor_token: reads prompts and manages their versions.
        viewer_token: reads prompts and their history.
        loaded_prompts: what was taken from `prompts` at the start, and what was passed over and why.
        clock: the time for tokens, keys and faults; `clock.advance(3600)` moves it by an hour.
        faults: makes requests fail on demand.
        journal: the requests so far.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token_ttl: float = 3600,
        prompts: Prompts | None = None,
        strict_prompts: bool = False,
        public_url: str | None = None,
        admin_token: str | None = None,
        credentials: ApiKeyCredentials | None = None,
    ) -> None:
        if not token_ttl > 0:
            raise ConfigurationError(f"token_ttl: seconds, more than 0, got {token_ttl!r}")
        if port not in range(65_536):
            raise ConfigurationError(f"port: 0 to 65535, got {port!r}")
        if not host:
            raise ConfigurationError("host: an address or a name; 0.0.0.0 means every interface")
        self.clock = FakeClock()
        self.faults = Faults(self.clock)
        self.journal = Journal(self.clock)
        self.admin_token = new_secret("admin") if admin_token is None else check_admin_token(admin_token)
        self._public_url = None if public_url is None else check_public_url(public_url)
        self._given = credentials
        self.editor_token = new_secret("editor")
        self.viewer_token = new_secret("viewer")
        self.loaded_prompts = LoadedPrompts()
        self._prompts = prompts
        self._strict_prompts = strict_prompts
        self._store = Store(None if path is None else Path(path), self.clock)
        self._signer = Signer(self._store, self.clock, token_ttl)
        self._state = StateTransfer(self._store, self._signer)
        self._login_throttle = LoginThrottle(self.clock)
        self._first_key: NewKey | None = None
        self._host = host
        self._listener = Listener(host, port, self.journal)
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Open the store and listen; connections are accepted once this returns. Idempotent.

        Raises:
            ConfigurationError: the store, the prompts or the address cannot be used.
            ClientClosedError: it was closed.
        """
        if self._closing is not None:
            raise ClientClosedError("this Local Scope was closed; make another")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)

    async def aclose(self) -> None:
        """Answer running requests, disconnect delayed ones, write what is pending and free the port.

        Idempotent; every caller waits for the one close, which continues if a caller is cancelled.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _open(self) -> None:
        try:
            if self._prompts is not None:
                self.loaded_prompts = await asyncio.to_thread(
                    load_prompts, self._prompts, strict=self._strict_prompts
                )
                level = logging.WARNING if self.loaded_prompts.passed_over else logging.INFO
                _logger.log(level, "%s", self.loaded_prompts)
            self._first_key = await self._store.open(self._given)
            await self._store.prompts.add_files(self.loaded_prompts.drafts)
            app = build_app(
                self._store,
                self._signer,
                self._login_throttle,
                tokens={
                    Role.ADMIN: self.admin_token,
                    Role.EDITOR: self.editor_token,
                    Role.VIEWER: self.viewer_token,
                },
                scope=self,
                waiting=self._listener.waiting,
                host=self._host,
                public_url=self._public_url,
            )
            await self._listener.start(app)
        except BaseException:
            await self._release()
            raise

    async def _close(self) -> None:
        if self._opening is not None:
            await asyncio.wait((self._opening,))
        await self._release()

    async def _release(self) -> None:
        self.faults.close()
        try:
            await self._listener.aclose()
        finally:
            await self._store.aclose()

    @property
    def url(self) -> str:
        """Base URL of both APIs, without a trailing slash."""
        listening = self._require_started(self._listener.url)
        return self._public_url or listening

    @property
    def settings_url(self) -> str:
        """Link to Settings > API Keys. It signs in, because it carries the admin token: keep it secret."""
        return settings_link(self.url, self.admin_token)

    @property
    def org_id(self) -> str:
        """The organization of this Local Scope."""
        return self._require_started(self._store.org_id)

    @property
    def credentials(self) -> ApiKeyCredentials:
        """Credentials of the API key that a new store starts with.

        Raises:
            ConfigurationError: the store existed before; it holds digests of secrets only.
        """
        org_id = self.org_id
        if self._first_key is None:
            raise ConfigurationError(
                "this store was made earlier and does not know the secrets of its API keys: "
                "use the credentials you stored, or make a key with create_key()"
            )
        return ApiKeyCredentials(org_id, self._first_key.record.api_key, self._first_key.api_secret)

    def _require_started(self, value: str) -> str:
        if not value:
            raise ConfigurationError("this Local Scope has not been started")
        return value

    async def reset(self) -> None:
        """Return to the prompts given at the start and the first API key alone, at the same URL.

        `credentials`, their tokens and the admin token stay valid. Faults, journal and login
        throttle are cleared. The clock keeps its time.
        """
        known = self._first_key
        self._first_key = (
            self._store.first_key()
            if known is None
            else self._store.first_key(known.api_secret, known.record.api_key)
        )
        await self._store.clear_all(self._first_key)
        await self._store.prompts.add_files(self.loaded_prompts.drafts, again=True)
        self._login_throttle.clear_failures()
        self.faults.clear()
        self.journal.clear()

    async def export_state(self) -> dict[str, Any]:
        """Return every prompt, API key and event as JSON. See `StateTransfer.export`."""
        return await self._state.export()

    async def import_state(self, state: Mapping[str, Any]) -> None:
        """Replace every prompt, API key and event, and the organization, by an export.

        The API key of `credentials` is kept.

        Raises:
            ValidationError: `state` is not an export; the content is unchanged.
        """
        first = self._first_key
        keep = None if first is None else self._store.first_key(first.api_secret, first.record.api_key).record
        await self._state.restore(state, keep=keep)
