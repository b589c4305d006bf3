"""Organization ID, API key and API secret."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from scope_async.credentials.value_file import read_value
from scope_async.environment import Environment
from scope_async.errors import ConfigurationError, MissingApiKeyError


def _without_blanks(value: object) -> object:
    # A file, a variable or a form ends with a newline more often than a credential does.
    return value.strip().strip("\ufeff").strip() if isinstance(value, str) else value


def _present(_: object, field: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise MissingApiKeyError(f"{field.name} is missing: it must be a non-empty string")


def _one_line(_: object, field: attrs.Attribute[str], value: str) -> None:
    if not value.isprintable():
        raise ConfigurationError(
            f"{field.name} must be one printable line: was something else copied with it?"
        )


def _public(_: object, field: attrs.Attribute[str], value: str) -> None:
    # Logs, errors and `repr` show it, and a secret in its place would be shown with it.
    if value.startswith("secret_"):
        raise ConfigurationError(f"{field.name} holds an API secret: is it in the place of another value?")


@attrs.frozen(init=False)
class ApiKeyCredentials:
    """An organization ID, an API key (public) and its API secret (never shown).

    `client_id` and `client_secret` are other names of `api_key` and `api_secret`. White space around
    a value is dropped.

    Raises:
        MissingApiKeyError: one of the three is missing or blank.
        ConfigurationError: two names of one value disagree, a value is not one printable line, or
            an API secret is where a public value belongs.
    """

    org_id: str = attrs.field(converter=_without_blanks, validator=[_present, _one_line, _public])
    api_key: str = attrs.field(converter=_without_blanks, validator=[_present, _one_line, _public])
    api_secret: str = attrs.field(converter=_without_blanks, validator=[_present, _one_line], repr=False)

    def __init__(
        self,
        org_id: str = "",
        api_key: str = "",
        api_secret: str = "",
        *,
        client_id: str = "",
        client_secret: str = "",
    ) -> None:
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue] - attrs makes it
            org_id,
            _only(api_key, client_id, "api_key and client_id"),
            _only(api_secret, client_secret, "api_secret and client_secret"),
        )

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
        value = read_value(path, variable)
        if isinstance(value, ConfigurationError):
            return value
        values[field] = value
    try:
        return ApiKeyCredentials(**values)
    except ConfigurationError as error:
        return type(error)(str(error))
