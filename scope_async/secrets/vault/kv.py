"""Key/value secrets in Vault, engine versions 1 and 2: where they are, reading them, writing them.

https://developer.hashicorp.com/vault/api-docs/secret/kv
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import attrs

from scope_async.errors import ConfigurationError, ConflictError
from scope_async.secrets.vault.api import VaultApi, VaultReply, as_object


class VaultForbiddenError(ConfigurationError):
    """Vault does not allow this to the token (403): it may have ended, or its policy forbids it."""


@attrs.frozen
class KvPath:
    """A secret's place: the path of its mount, with a slash at the end, and its own path in there."""

    mount: str
    name: str
    version: int

    @property
    def data(self) -> str:
        return f"{self.mount}data/{self.name}" if self.version == 2 else f"{self.mount}{self.name}"  # noqa: PLR2004


@attrs.frozen
class KvSecret:
    """What a secret holds, and its version: 0 when there is none; None where the engine has no versions."""

    values: Mapping[str, Any] = attrs.field(repr=False)
    version: int | None


async def find_kv_path(api: VaultApi, path: str, *, token: str) -> KvPath:
    """Return the place of a secret, asking Vault for its mount as `vault kv` does.

    Raises:
        ConfigurationError: no such mount, or no permission to see it.
        ScopeError: Vault did not answer.
    """
    reply = await api.call("GET", f"sys/internal/ui/mounts/{path}", token=token)
    if reply.status == HTTPStatus.NOT_FOUND:  # a Vault that is older than this question
        root, _, rest = path.partition("/")
        return KvPath(f"{root}/", rest, 1)
    _require(
        reply, f"look up the mount of {path}", "check that path, let its policy grant access to it", token
    )
    mount, options = reply.data.get("path"), as_object(reply.data.get("options"))
    if not isinstance(mount, str) or not f"{path}/".startswith(mount):
        raise ConfigurationError(f"it did not say where {path} is mounted")
    name, kind = path[len(mount) :], reply.data.get("type")
    if kind not in ("kv", "generic"):
        raise ConfigurationError(f"{mount} is a secrets engine of type {kind!r}, not kv")
    if not name:
        raise ConfigurationError(f"{path} is the mount itself; add the secret's path: {mount}scope/billing")
    return KvPath(mount, name, 2 if options.get("version") == "2" else 1)


async def read_kv(api: VaultApi, path: KvPath, *, token: str) -> KvSecret:
    """Return what the secret holds; nothing when there is none or its current version was deleted.

    Raises:
        ConfigurationError: no permission.
        ScopeError: Vault did not answer.
    """
    reply = await api.call("GET", path.data, token=token)
    if reply.status != HTTPStatus.NOT_FOUND:
        _require(reply, f"read {path.data}", "give it a policy with `read` there", token)
    if path.version == 1:
        return KvSecret(reply.data, None)
    version = as_object(reply.data.get("metadata")).get("version")
    return KvSecret(as_object(reply.data.get("data")), version if isinstance(version, int) else 0)


async def write_kv(
    api: VaultApi, path: KvPath, values: Mapping[str, Any], *, over: KvSecret, token: str
) -> None:
    """Write the secret's next version if `over` is still the current one.

    Engine version 1 has no versions: what it holds is compared just before.

    Raises:
        ConflictError: it is not; nothing was written.
        ConfigurationError: no permission.
        ScopeError: Vault did not answer; it may have been written.
    """
    if path.version == 1 and await read_kv(api, path, token=token) != over:
        raise ConflictError(f"{path.data} was changed by another writer meanwhile; nothing was written")
    body = values if path.version == 1 else {"options": {"cas": over.version}, "data": values}
    reply = await api.call("POST", path.data, token=token, body=body)
    if (
        reply.status == HTTPStatus.BAD_REQUEST
        and "check-and-set" in reply.said()
        and over.version is not None
    ):
        # The answer to a first attempt may have been lost, and this is the second one.
        if await read_kv(api, path, token=token) == KvSecret(values, over.version + 1):
            return
        raise ConflictError(f"{path.data} was changed by another writer meanwhile; nothing was written")
    _require(reply, f"write {path.data}", "give it a policy with `create` and `update` there", token)


def _require(reply: VaultReply, what: str, advice: str, token: str) -> None:
    """Raise unless Vault did it."""
    if reply.ok:
        return
    said = reply.said(secrets=[token])
    if reply.status == HTTPStatus.FORBIDDEN:
        raise VaultForbiddenError(f"the token may not {what}: {said}; {advice}, or renew it if it has ended")
    raise ConfigurationError(f"it does not {what}: {said}")
