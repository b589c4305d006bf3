"""Credential providers, which are asked before every exchange."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cached_property, partial
from inspect import getattr_static, isawaitable, iscoroutinefunction, isfunction, ismethod, unwrap
from typing import Protocol, runtime_checkable

import anyio
import msgspec

from scope_async._core.concurrency.threads import SharedThread, run_in_thread
from scope_async._core.redaction import scrub
from scope_async.credentials.api_key import ApiKeyCredentials
from scope_async.credentials.protocols import CachingCredentials, LeasedCredentials, keep_alive
from scope_async.environment import Environment
from scope_async.errors import ConfigurationError, MissingApiKeyError

_RETURNS_AWAITABLE = r"\b(Awaitable|Coroutine|Future|Task)\b"


@runtime_checkable
class CredentialProvider(Protocol):
    """Anything that returns credentials when it is awaited; calling it again is the reload.

    Called once before every exchange, and again at once when the auth API refused what
    it returned. Never called twice at the same time by one client.
    """

    async def __call__(self) -> ApiKeyCredentials: ...


class StaticCredentials(msgspec.Struct, frozen=True):
    """Credentials that never change."""

    credentials: ApiKeyCredentials

    async def __call__(self) -> ApiKeyCredentials:
        return self.credentials


def as_provider(credentials: ApiKeyCredentials | CredentialProvider) -> CredentialProvider:
    """Return what is asked before every exchange.

    Raises:
        TypeError: neither credentials nor an async callable.
    """
    if isinstance(credentials, ApiKeyCredentials):
        return StaticCredentials(credentials)
    given: object = credentials
    if isinstance(given, type):
        raise TypeError(f"credentials is the class {given.__name__}; an instance was expected")
    if not callable(given):
        # Its class alone: the value may be a pair of key and secret.
        raise TypeError(
            "credentials must be ApiKeyCredentials or an async function that returns some, "
            f"got {type(given).__name__}"
        )
    if _is_plain_function(given):
        raise TypeError(f"the credential provider {_name_of(given)} is a plain function; make it `async def`")
    return credentials


def place_of(source: object) -> str:
    """Return where credentials or a token come from, in the words of a message: its `place`, or its name."""
    place: object = getattr(source, "place", None)
    return place if isinstance(place, str) else _name_of(source)


def _is_plain_function(provider: object) -> bool:
    """Return True if calling `provider` cannot give what can be awaited, as far as can be known.

    What is written in C, and what wraps an async function or is annotated as one, is known at its
    first call alone.
    """
    while isinstance(provider, partial):
        provider = provider.func
    if not isfunction(provider) and not ismethod(provider):
        if iscoroutinefunction(provider):  # as some objects say that they are
            return False
        provider = getattr_static(type(provider), "__call__", None)
        while isinstance(provider, partial | staticmethod | classmethod):
            provider = provider.func if isinstance(provider, partial) else provider.__func__
    if not isfunction(provider) and not ismethod(provider):
        return False
    if re.search(_RETURNS_AWAITABLE, str(provider.__annotations__.get("return", ""))):
        return False
    return not (iscoroutinefunction(provider) or iscoroutinefunction(unwrap(provider)))


def _name_of(provider: object) -> str:
    """Return the name of a function, or the class of an object."""
    while isinstance(provider, partial):
        provider = provider.func
    return getattr(provider, "__name__", type(provider).__name__)


class _CredentialFiles:
    """Reads credentials out of files, in a daemon thread of their own."""

    def __init__(
        self, paths: Callable[[], list[str]], read: Callable[[], ApiKeyCredentials | ConfigurationError]
    ) -> None:
        self._paths = paths
        self._blocking_read = read
        self._thread = SharedThread(self._read)
        self.place = ""

    async def read(self) -> ApiKeyCredentials:
        """Return the credentials; or raise an error of the caller's own, for one may be shared by many."""
        found = await self._thread()
        if isinstance(found, ConfigurationError):
            raise type(found)(str(found))
        return found

    def _read(self) -> ApiKeyCredentials | ConfigurationError:
        from scope_async.credentials.value_file import is_pipe  # noqa: PLC0415 - most clients read no file

        # Looked at here, before the reading that may hang, and never on an event loop.
        waits = " (a named pipe, to which nothing has been written yet)"
        self.place = ", ".join(path + waits if is_pipe(path) else path for path in self._paths())
        return self._blocking_read()


class EnvCredentials(msgspec.Struct, frozen=True, dict=True):
    """Credentials from the environment, read anew at every exchange.

    The files that `SCOPE_…_FILE` variables name are read in a daemon thread of their own.
    """

    @cached_property
    def _files(self) -> _CredentialFiles:
        return _CredentialFiles(_paths_in_environment, _read_environment)

    @property
    def place(self) -> str:
        """The environment, or the files that its variables name."""
        return self._files.place or "the environment"

    async def __call__(self) -> ApiKeyCredentials:
        if Environment().credential_files():
            return await self._files.read()
        return ApiKeyCredentials.from_env()


def _paths_in_environment() -> list[str]:
    return [path for _, path in Environment().credential_files().values()]


def _read_environment() -> ApiKeyCredentials | ConfigurationError:
    try:
        return ApiKeyCredentials.from_env()
    except ConfigurationError as error:
        return error


class FileCredentials(msgspec.Struct, frozen=True, dict=True):
    """Credentials from a file or a folder, read anew at every exchange.

    The file is a JSON object or lines of `KEY=value` (as Vault agents write it; quotes, comments and
    escapes as python-dotenv reads them), with the keys `org_id`, `api_key`, `api_secret` or the
    environment's names for them. A folder has a file of such a name per value, as Kubernetes mounts
    it; all are read of one generation. Replace a file atomically (write beside it, then rename): a
    half-written one is an error. Read in a daemon thread of its own, which is all that a file system
    that hangs holds up: the exchange has its own time limit, and the process can end.

    Raises (when called):
        MissingApiKeyError: a key is missing; all such are named.
        ConfigurationError: the file cannot be read or is not in one of the two forms.
    """

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        os.fspath(self.path)  # raises for what is no path

    @cached_property
    def _files(self) -> _CredentialFiles:
        path = os.fspath(self.path)
        return _CredentialFiles(lambda: [path], partial(_read_path, path))

    @property
    def place(self) -> str:
        """The path, and what it waits for if it is a pipe."""
        return self._files.place or os.fspath(self.path)

    async def __call__(self) -> ApiKeyCredentials:
        return await self._files.read()

    async def store(self, credentials: ApiKeyCredentials, /) -> None:
        """Replace the three values in the file, or make it; everything else in it stays.

        It is replaced by one rename, with the mode and the owner that it has; a new one is its owner's
        alone. A folder cannot be written: its files are replaced one by one.

        Raises:
            ConflictError: another writer was faster; nothing was written.
            ConfigurationError: it cannot be read or written; nothing was written.
        """
        from scope_async.credentials.file_writer import write_file  # noqa: PLC0415 - costs time to import

        await run_in_thread(partial(write_file, os.fspath(self.path), credentials))


def _read_path(path: str) -> ApiKeyCredentials | ConfigurationError:
    from scope_async.credentials.path_reader import read_path  # noqa: PLC0415 - most clients read no file

    return read_path(path)


class ChainCredentials:
    """The credentials of the first provider that has some, asked in the order given.

    A provider that fails, in whatever way, is passed over.

    Raises:
        TypeError: one of them is no provider.

    Raises (when called):
        MissingApiKeyError: no provider had any; each one's reason is named.
        ConfigurationError: one of them returned nothing that can be awaited.
    """

    providers: tuple[CredentialProvider, ...]

    def __init__(self, *providers: CredentialProvider) -> None:
        self.providers = tuple(map(as_provider, providers))

    def __repr__(self) -> str:
        return f"ChainCredentials{self.providers!r}"

    @property
    def place(self) -> str:
        """The places of its providers."""
        return " or ".join(map(place_of, self.providers))

    async def __call__(self) -> ApiKeyCredentials:
        reasons = []
        for provider in self.providers:
            try:
                answer: object = provider()
                if isawaitable(answer):
                    found: ApiKeyCredentials = await answer
                    return found
            except ConfigurationError as error:
                reasons.append(f"{_name_of(provider)}: {error}")
            except Exception as error:  # noqa: BLE001 - a provider may raise anything
                reasons.append(f"{_name_of(provider)}: {type(error).__name__}: {scrub(str(error))}")
            else:
                # A mistake in the program, and not a source that has no credentials today.
                raise ConfigurationError(
                    f"the credential provider {_name_of(provider)} must be async; calling it returned "
                    f"{type(answer).__name__}, which cannot be awaited"
                )
        raise MissingApiKeyError(f"no provider has credentials: {'; '.join(reasons) or 'none was given'}")

    def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
        """Let every provider that remembers these very credentials forget them."""
        for provider in self.providers:
            if isinstance(provider, CachingCredentials):
                provider.invalidate(credentials)

    async def keep_alive(self) -> None:
        """Renew the access of every provider that has one; returns at once when none has."""
        async with anyio.create_task_group() as group:
            for provider in self.providers:
                if isinstance(provider, LeasedCredentials):
                    group.start_soon(keep_alive, provider)
