"""`LocalScope`: the methods of a Local Scope, on the caller's event loop or on a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from scope_async._core.clock import FakeClock
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError
from scope_async.local.faults.registry import Faults
from scope_async.local.prompt_files import LoadedPrompts
from scope_async.local.server import LocalServer
from scope_async.local.server_thread import ServerThread
from scope_async.local.store.key_models import (
    KeyRecord,
    check_environment,
    check_lifetime,
    check_name,
    check_overlap,
    check_reason,
)
from scope_async.local.store.keys import AuditContext
from scope_async.local.store.prompt_models import Content, Draft, Promotion, StoredVersion, check_notes
from scope_async.local.web.journal import Journal, JournalEntry

P = ParamSpec("P")
T = TypeVar("T")


class LocalScope(LocalServer):
    """The server of `LocalServer`, and all that a test does with it.

    `async with LocalScope() as local:` serves on the running event loop. `with LocalScope() as local:`
    serves on a thread of its own and gives a `ThreadedLocalScope`, whose methods need no `await`.
    """

    _threaded: ThreadedLocalScope | None = None

    def __enter__(self) -> ThreadedLocalScope:
        if self._threaded is not None:
            raise ConfigurationError("this Local Scope runs already; make another")
        self._threaded = threaded = ThreadedLocalScope(self)
        threaded.open()
        return threaded

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threaded is not None:
            self._threaded.close()

    async def add_prompt(
        self,
        name: str,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        prompt_type: str = "text",
        tags: Sequence[str] = (),
        publish: bool = True,
    ) -> StoredVersion:
        """Add the next version of a prompt and promote it; `publish=False` leaves a draft.

        The content of a `chat` prompt is a list of `{role, content}`, or a string.

        Raises:
            ValidationError: a field is outside the contract; the message names it.
        """
        draft = Draft.checked(
            name,
            content,
            metadata=metadata,
            prompt_type=prompt_type,
            tags=tags,
            status="published" if publish else "draft",
        )
        return await self._store.prompts.add(draft)

    async def promote(
        self,
        name: str,
        version_id: str,
        *,
        notes: str | None = None,
        archive_previous_production: bool = True,
    ) -> StoredVersion:
        """Make a draft the production version, and write an entry of the history with `notes`.

        The production version before it is archived, or becomes a draft with
        `archive_previous_production=False`. To promote the production version again changes nothing
        and writes no entry, so that a call may be repeated. See `lifecycle.promote`.
        """
        return await self._store.prompts.promote(
            name,
            version_id,
            notes=check_notes(notes),
            archive_previous_production=archive_previous_production,
        )

    async def archive(self, name: str, version_id: str) -> StoredVersion:
        """Archive a draft. See `lifecycle.archive`."""
        return await self._store.prompts.archive(name, version_id)

    async def unarchive(self, name: str, version_id: str) -> StoredVersion:
        """Make an archived version a draft again; promoted after that, it is a roll back."""
        return await self._store.prompts.unarchive(name, version_id)

    async def edit(
        self,
        name: str,
        version_id: str,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
    ) -> StoredVersion:
        """Change a draft in place, under its id and number. See `lifecycle.edit`."""
        return await self._store.prompts.edit(name, version_id, content, metadata=metadata, tags=tags)

    async def history(self, name: str) -> tuple[Promotion, ...]:
        """Return the promotions of a prompt, newest first.

        Raises:
            NotFoundError: the prompt does not exist.
        """
        return self._store.prompts.get_prompt(name).promotions[::-1]

    async def create_key(
        self, name: str, *, environment: str = "production", expires_in: float | None = None
    ) -> ApiKeyCredentials:
        """Create an API key that expires in `expires_in` seconds (None: never), and return its credentials.

        Raises:
            ValidationError: the name, environment or lifetime is invalid.
        """
        new_key = await self._store.keys.create(
            check_name(name),
            environment=check_environment(environment),
            expires_in=check_lifetime(expires_in),
            audit=AuditContext(),
        )
        return ApiKeyCredentials(self.org_id, new_key.record.api_key, new_key.api_secret)

    async def rotate_key(
        self, api_key: str, *, overlap: float = 86_400, again: bool = False
    ) -> ApiKeyCredentials:
        """Replace an API key, which stays valid for `overlap` seconds. See `KeyStore.rotate`."""
        new_key = await self._store.keys.rotate(
            api_key, overlap=check_overlap(overlap), again=again, audit=AuditContext()
        )
        return ApiKeyCredentials(self.org_id, new_key.record.api_key, new_key.api_secret)

    async def revoke_key(self, api_key: str, reason: str | None = None) -> KeyRecord:
        """Revoke an API key: once this returns, requests with it are refused. See `KeyStore.revoke`."""
        return await self._store.keys.revoke(api_key, reason=check_reason(reason), audit=AuditContext())


def _on_thread(
    method: Callable[Concatenate[LocalScope, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[ThreadedLocalScope, P], T]:
    """Return `method` for a `ThreadedLocalScope`: it returns what the coroutine returns."""

    @wraps(method)
    def call(self: ThreadedLocalScope, /, *args: P.args, **options: P.kwargs) -> T:
        return self.thread.call(partial(method, self.local, *args, **options))

    return call


class ThreadedLocalScope:
    """A Local Scope that serves on a thread of its own, for code with or without an event loop.

    The methods are those of `LocalScope`. They return their result where no event loop runs, such as
    in a synchronous test; inside a running event loop they are awaited, so that a loop is never
    blocked. `faults`, `journal` and `clock` can be used from any thread.
    """

    def __init__(self, local: LocalScope) -> None:
        self.local = local
        self.thread = ServerThread("scope-async local")
        self.clock: FakeClock = local.clock
        self.faults: Faults = local.faults
        self.journal = ThreadedJournal(local.journal, self.thread)

    def open(self) -> None:
        """Start to serve; connections are accepted once this returns. See `LocalServer.start`."""
        try:
            self.thread.wait_for(self.local.start)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it as `LocalServer.aclose` does, and end the thread. Idempotent."""
        try:
            if self.thread.is_open:
                self.thread.wait_for(self.local.aclose)
        finally:
            self.thread.close()

    @property
    def url(self) -> str:
        """See `LocalServer.url`."""
        return self.local.url

    @property
    def settings_url(self) -> str:
        """See `LocalServer.settings_url`."""
        return self.local.settings_url

    @property
    def org_id(self) -> str:
        """See `LocalServer.org_id`."""
        return self.local.org_id

    @property
    def credentials(self) -> ApiKeyCredentials:
        """See `LocalServer.credentials`."""
        return self.local.credentials

    @property
    def admin_token(self) -> str:
        """See `LocalServer`."""
        return self.local.admin_token

    @property
    def editor_token(self) -> str:
        """See `LocalServer`."""
        return self.local.editor_token

    @property
    def viewer_token(self) -> str:
        """See `LocalServer`."""
        return self.local.viewer_token

    @property
    def loaded_prompts(self) -> LoadedPrompts:
        """See `LocalServer`."""
        return self.local.loaded_prompts

    add_prompt = _on_thread(LocalScope.add_prompt)
    promote = _on_thread(LocalScope.promote)
    archive = _on_thread(LocalScope.archive)
    unarchive = _on_thread(LocalScope.unarchive)
    edit = _on_thread(LocalScope.edit)
    history = _on_thread(LocalScope.history)
    create_key = _on_thread(LocalScope.create_key)
    rotate_key = _on_thread(LocalScope.rotate_key)
    revoke_key = _on_thread(LocalScope.revoke_key)
    reset = _on_thread(LocalScope.reset)
    export_state = _on_thread(LocalScope.export_state)
    import_state = _on_thread(LocalScope.import_state)


class ThreadedJournal:
    """The journal of a `ThreadedLocalScope`: waiting for requests needs no event loop."""

    def __init__(self, journal: Journal, thread: ServerThread) -> None:
        self._journal = journal
        self._thread = thread
        self.count = journal.count
        self.arrivals = journal.arrivals
        self.clear = journal.clear

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """See `Journal.entries`."""
        return self._journal.entries

    @property
    def unexpected(self) -> tuple[JournalEntry, ...]:
        """See `Journal.unexpected`."""
        return self._journal.unexpected

    def only(self, *operations: str) -> AbstractContextManager[Journal]:
        """See `Journal.only`."""
        return self._journal.only(*operations)

    def wait_for(self, operation: str = "any", n: int = 1, *, timeout: float = 5.0) -> JournalEntry:
        """See `Journal.wait_for`."""
        return self._thread.call(partial(self._journal.wait_for, operation, n, timeout=timeout))

    def wait_for_arrival(self, operation: str = "any", n: int = 1, *, timeout: float = 5.0) -> None:
        """See `Journal.wait_for_arrival`."""
        return self._thread.call(partial(self._journal.wait_for_arrival, operation, n, timeout=timeout))
