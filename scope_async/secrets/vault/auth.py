"""Authentication at Vault: its methods, and the lease of the token that a login returns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs

from scope_async.errors import ConfigurationError

SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - its place


@attrs.frozen
class TokenFile:
    """A file that holds a token, read again at every load: a sink of Vault Agent, or `~/.vault-token`.

    The program that writes it renews the token.
    """

    path: str | os.PathLike[str]

    def read(self) -> str:
        """Return the token. Blocks."""
        return read_word(self.path, "the token file")


@attrs.frozen
class AppRole:
    """A role id and a secret id, for a machine.

    https://developer.hashicorp.com/vault/docs/auth/approle
    """

    role_id: str
    secret_id: str = attrs.field(repr=False)
    mount: str = attrs.field(default="approle", kw_only=True)

    def login(self) -> dict[str, Any]:
        """Return the body of the login request."""
        return {"role_id": self.role_id, "secret_id": self.secret_id}


@attrs.frozen
class KubernetesAuth:
    """The pod's own service account, whose token is read from its mount at every login.

    https://developer.hashicorp.com/vault/docs/auth/kubernetes
    """

    role: str
    mount: str = attrs.field(default="kubernetes", kw_only=True)
    token_path: str | os.PathLike[str] = attrs.field(default=SERVICE_ACCOUNT_TOKEN, kw_only=True)

    def login(self) -> dict[str, Any]:
        """Return the body of the login request. Blocks: reads the service account's token."""
        return {"role": self.role, "jwt": read_word(self.token_path, "the service account's token")}


VaultAuth = str | TokenFile | AppRole | KubernetesAuth


def read_word(path: str | os.PathLike[str], what: str) -> str:
    """Return the one word that a file holds. Blocks.

    Raises:
        ConfigurationError: it cannot be read, or holds anything else.
    """
    word, reason = "", ""
    try:
        word = Path(path).read_text(encoding="utf-8").strip()
        reason = "" if word and word.isprintable() and " " not in word else "it holds no token"
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "no such path"
    if reason:
        word = ""
        raise ConfigurationError(f"cannot read {what} {os.fspath(path)}: {reason}")
    return word


@attrs.frozen
class TokenLease:
    """A token of Vault and its life, in seconds of the monotonic clock."""

    token: str = attrs.field(repr=False)
    since: float = 0.0
    duration: float = float("inf")
    renewable: bool = False

    @classmethod
    def of(cls, token: str, auth: Any, *, since: float) -> TokenLease:
        """Return the lease in the reply to a login or a renewal (`lease_duration`) or a lookup (`ttl`)."""
        seconds = auth.get("lease_duration", auth.get("ttl"))
        finite = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
        return cls(token, since, float(seconds) if finite else float("inf"), auth.get("renewable") is True)

    @property
    def renew_at(self) -> float:
        """Two thirds of its life, as Vault's own tools have it."""
        return self.since + self.duration * 2 / 3

    @property
    def expires_at(self) -> float:
        return self.since + self.duration
