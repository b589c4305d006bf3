"""Long-lived credentials, and where they come from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import anyio
import attrs

from scope_async.environment import CREDENTIAL_VARIABLES, Environment
from scope_async.errors import ConfigurationError, MissingApiKeyError


def _present(_: object, field: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise MissingApiKeyError(f"{field.name} is missing: it must be a non-empty string")


def _public(_: object, field: attrs.Attribute[str], value: str) -> None:
    # Logs, errors and `repr` show it, and a secret in its place would be shown with it.
    if value.startswith("secret_"):
        raise ConfigurationError(f"{field.name} holds an API secret: is it in the place of another value?")


@attrs.frozen
class ApiKeyCredentials:
    """An organization ID, an API key (public) and its API secret (never shown).

    Raises:
        MissingApiKeyError: one of the three is missing or blank.
        ConfigurationError: an API secret is where a public value belongs.
    """

    org_id: str = attrs.field(validator=[_present, _public])
    api_key: str = attrs.field(validator=[_present, _public])
    api_secret: str = attrs.field(validator=_present, repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ApiKeyCredentials:
        """Return the credentials in the environment.

        Raises:
            MissingApiKeyError: one of the variables is not set; all such are named.
            ConfigurationError: two spellings of one variable disagree.
        """
        environment = Environment(environ)
        environment.credentials()
        environment.check()
        # Read again, because values kept over `check` would be locals of its error's traceback.
        return cls(**environment.credentials())


@runtime_checkable
class CredentialProvider(Protocol):
    """Anything that returns credentials when it is awaited; calling it again is the reload.

    Called once before every exchange, and again at once when the auth API refused what
    it returned. Never called twice at the same time by one client.
    """

    async def __call__(self) -> ApiKeyCredentials: ...


@attrs.frozen
class StaticCredentials:
    """Credentials that never change."""

    credentials: ApiKeyCredentials

    async def __call__(self) -> ApiKeyCredentials:
        return self.credentials


def as_provider(credentials: ApiKeyCredentials | CredentialProvider) -> CredentialProvider:
    """Return what is asked before every exchange.

    Raises:
        TypeError: not credentials and nothing that can be called for some.
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
    return credentials


@attrs.frozen
class EnvCredentials:
    """Credentials from the environment, read anew at every exchange."""

    async def __call__(self) -> ApiKeyCredentials:
        return ApiKeyCredentials.from_env()


@attrs.frozen
class FileCredentials:
    """Credentials from a file, read anew at every exchange.

    The file is a JSON object or lines of `KEY=value` (as Kubernetes and Vault agents mount
    it), with the keys `org_id`, `api_key`, `api_secret` or the environment's names for them.
    Replace it atomically (write beside it, then rename): a half-written file is an error. A
    file system that hangs holds up one thread, not the exchange, which has its own time limit.

    Raises (when called):
        MissingApiKeyError: a key is missing; all such are named.
        ConfigurationError: the file cannot be read or is not in one of the two forms.
    """

    path: str | os.PathLike[str]

    async def __call__(self) -> ApiKeyCredentials:
        found = await anyio.to_thread.run_sync(_read, os.fspath(self.path), abandon_on_cancel=True)
        if isinstance(found, ConfigurationError):
            raise found
        return found


def _read(path: str) -> ApiKeyCredentials | ConfigurationError:
    """Return the credentials in a file, or the error to raise.

    Not raised here and caused by nothing: what collects tracebacks with their locals would
    find the file's text in the frames, and the decoders' errors carry it as well.
    """
    try:
        return ApiKeyCredentials.from_env(parse_credentials(Path(path).read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        return ConfigurationError(f"the credentials file {path} is not UTF-8")
    except ConfigurationError as error:
        return type(error)(f"credentials file {path}: {error}")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        return ConfigurationError(f"cannot read the credentials file {path}: {reason}")


@attrs.frozen(init=False)
class ChainCredentials:
    """The credentials of the first provider that has some, asked in the order given.

    Raises:
        TypeError: one of them is no provider.

    Raises (when called):
        MissingApiKeyError: no provider had any; each one's reason is named.
    """

    providers: tuple[CredentialProvider, ...]

    def __init__(self, *providers: CredentialProvider) -> None:
        object.__setattr__(self, "providers", tuple(map(as_provider, providers)))

    async def __call__(self) -> ApiKeyCredentials:
        reasons = []
        for provider in self.providers:
            try:
                return await provider()
            except ConfigurationError as error:
                # A function goes by its own name, an object by its class.
                name = getattr(provider, "__name__", type(provider).__name__)
                reasons.append(f"{name}: {error}")
        raise MissingApiKeyError(f"no provider has credentials: {'; '.join(reasons) or 'none was given'}")


def parse_credentials(text: str) -> dict[str, str]:
    """Return environment-style variables from the text of a credentials file.

    Raises:
        ConfigurationError: not a JSON object of strings and not lines of `KEY=value`.
    """
    stripped = text.lstrip("\ufeff").strip()
    pairs = _json_pairs(stripped) if stripped.startswith("{") else _line_pairs(stripped)
    canonical = {field: names[0] for field, names in CREDENTIAL_VARIABLES.items()}
    return {canonical.get(name, name): value for name, value in pairs.items()}


def _json_pairs(text: str) -> dict[str, str]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        # JSONDecodeError carries the whole document, secret included.
        raise ConfigurationError("not valid JSON") from None
    if not all(isinstance(value, str) for value in data.values()):
        raise ConfigurationError("every value must be a string")
    return dict(data)


def _line_pairs(text: str) -> dict[str, str]:
    pairs = {}
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip().removeprefix("export ")
        if not entry or entry.startswith("#"):
            continue
        name, separator, value = entry.partition("=")
        if not separator:
            raise ConfigurationError(f"line {number} is not KEY=value")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        pairs[name.strip()] = value
    return pairs
