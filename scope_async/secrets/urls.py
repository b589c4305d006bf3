"""Where credentials are, as a URL."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import url2pathname

from scope_async.credentials import CredentialProvider, EnvCredentials, FileCredentials
from scope_async.environment import CREDENTIALS_VARIABLE, Environment
from scope_async.errors import ConfigurationError
from scope_async.secrets.aws import AwsSecretsManagerCredentials
from scope_async.secrets.system_keyring import KeyringCredentials
from scope_async.secrets.vault import VaultCredentials

_FORMS = "file:///path, vault://mount/path, aws-sm://name-or-arn or keyring://service"


def credentials_from_url(url: str) -> CredentialProvider:
    """Return the provider for a URL: `file`, `vault`, `aws-sm` or `keyring`.

    `file:///etc/scope/credentials` is a file or a folder; `vault://secret/scope/billing` is a
    path at `VAULT_ADDR`; `aws-sm://prod/scope` is a secret's name or ARN, with `?region=` where
    botocore finds none; `keyring://scope` is an entry of the machine's keyring. Percent-encoding
    is undone. Reads no file and sends nothing.

    Raises:
        ConfigurationError: no such form, what it needs is not installed, or (Vault) the
            environment names no address. The message shows no user name or password.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"a credentials URL must be a string, got {type(url).__name__}")
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ConfigurationError(f"this is no credentials URL; the forms are {_FORMS}")
    if "@" in rest.partition("/")[0]:
        raise ConfigurationError(f"a {scheme}:// URL must not carry a user name or a password")
    if scheme == "file":
        return FileCredentials(_file_path(url.strip()))
    place, _, query = rest.partition("?")
    place, options = unquote(place).strip("/"), dict(parse_qsl(query, keep_blank_values=True))
    region = options.pop("region", None) if scheme == "aws-sm" else None
    if options:
        raise ConfigurationError(f"a {scheme}:// URL has no option {', '.join(map(repr, sorted(options)))}")
    if scheme == "vault":
        return VaultCredentials(place)
    if scheme == "aws-sm":
        return AwsSecretsManagerCredentials(place, region=region)
    if scheme == "keyring":
        return KeyringCredentials(place)
    raise ConfigurationError(f"no provider for {scheme}:// URLs; the forms are {_FORMS}")


def credentials_from_env(environ: Mapping[str, str] | None = None) -> CredentialProvider:
    """Return the provider that `SCOPE_CREDENTIALS` names; without it, the environment itself.

    Raises:
        ConfigurationError: as `credentials_from_url`; names the variable.
    """
    url = Environment(environ).text(CREDENTIALS_VARIABLE)
    if url is None:
        return EnvCredentials()
    try:
        return credentials_from_url(url)
    except ConfigurationError as error:
        failure = type(error)(f"{CREDENTIALS_VARIABLE}: {error}")
    raise failure


def _file_path(url: str) -> str:
    """Return the path of a `file:` URL (RFC 8089)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise ConfigurationError("a file:// URL has three slashes and a path: file:///etc/scope/credentials")
    return url2pathname(parts.path)
