"""Organization ID, API key and API secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from scope_async.environment import Environment
from scope_async.errors import ConfigurationError, MissingApiKeyError


def _without_blanks(value: object) -> object:
    # A file, a variable or a form ends with a newline more often than a credential does.
    return value.strip().strip("\ufeff").strip() if isinstance(value, str) else value


def _check(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise MissingApiKeyError(f"{name} is missing: it must be a non-empty string")
    if not value.isprintable():
        raise ConfigurationError(f"{name} must be one printable line: was something else copied with it?")
    # Logs, errors and `repr` show the other two, and a secret in their place would be shown with them.
    if name != "api_secret" and value.startswith("secret_"):
        raise ConfigurationError(f"{name} holds an API secret: is it in the place of another value?")


class ApiKeyCredentials:
    """An organization ID, an API key (public) and its API secret (never shown).

    `client_id` and `client_secret` are other names of `api_key` and `api_secret`. White space around
    a value is dropped.

    Raises:
        MissingApiKeyError: one of the three is missing or blank.
        ConfigurationError: two names of one value disagree, a value is not one printable line, or
            an API secret is where a public value belongs.
    """

    __slots__ = ("api_key", "api_secret", "org_id")

    org_id: str
    api_key: str
    api_secret: str

    def __init__(
        self,
        org_id: str = "",
        api_key: str = "",
        api_secret: str = "",
        *,
        client_id: str = "",
        client_secret: str = "",
    ) -> None:
        given = {
            "org_id": org_id,
            "api_key": _only(api_key, client_id, "api_key and client_id"),
            "api_secret": _only(api_secret, client_secret, "api_secret and client_secret"),
        }
        values = {name: _without_blanks(value) for name, value in given.items()}
        for name, value in values.items():
            _check(name, value)
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"ApiKeyCredentials is immutable, {name} included")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"ApiKeyCredentials is immutable, {name} included")

    def __eq__(self, other: object) -> bool:
        return other._values() == self._values() if type(other) is ApiKeyCredentials else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"ApiKeyCredentials(org_id={self.org_id!r}, api_key={self.api_key!r})"

    def __reduce__(self) -> tuple[type[ApiKeyCredentials], tuple[str, str, str]]:
        return ApiKeyCredentials, self._values()

    def __replace__(self, **changes: str) -> ApiKeyCredentials:
        """Return credentials with other values, for `copy.replace` of Python 3.13."""
        org_id, api_key, api_secret = self._values()
        given = {"org_id": org_id, "api_key": api_key, "api_secret": api_secret}
        return ApiKeyCredentials(**given | changes)

    def _values(self) -> tuple[str, str, str]:
        return self.org_id, self.api_key, self.api_secret

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ApiKeyCredentials:
        """Return the credentials in the environment; blocks where it names files that hold them.

        Raises:
            MissingApiKeyError: one of the variables is not set; all such are named.
            ConfigurationError: two spellings of one variable disagree, or a file cannot be read.
        """
        environment = Environment(environ)
        environment.credentials()
        environment.check()
        found = _from(environment)
        if isinstance(found, ConfigurationError):
            raise found
        return found


ClientCredentials = ApiKeyCredentials
"""The official SDK's newer name."""


def _only(value: str, other: str, names: str) -> str:
    if value and other and value != other:
        raise ConfigurationError(f"{names} are two names of one value, and they differ; give one of them")
    return value or other


def _from(environment: Environment) -> ApiKeyCredentials | ConfigurationError:
    """Return the credentials, or the error to raise: its traceback must hold no value as a local."""
    values = environment.credentials()
    for field, (variable, path) in environment.credential_files().items():
        from scope_async.credentials.value_file import read_value  # noqa: PLC0415 - most read no file

        value = read_value(path, variable)
        if isinstance(value, ConfigurationError):
            return value
        values[field] = value
    try:
        return ApiKeyCredentials(**values)
    except ConfigurationError as error:
        return type(error)(str(error))
