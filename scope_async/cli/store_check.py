"""What `doctor` finds out about the shared store: one entry is written, read and deleted."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

import attrs

from scope_async._core.redaction import scrub
from scope_async.cli.diagnosis import Diagnosis
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError
from scope_async.stores import FileStore, Lease, SharedStore, store_from_url

if TYPE_CHECKING:
    from scope_async.stores.encryption import EntryCipher

_TIMEOUT = 3.0
_CONTENT = b"scope-async doctor"


@attrs.frozen
class StoreFinding:
    """What was found; `problem` is None if the store can be used."""

    detail: str
    problem: Diagnosis | None = None


async def examine_store(url: str, config: Config, credentials: ApiKeyCredentials) -> StoreFinding:
    """Return what is wrong with the store, or how fast it is and whether a token is in it.

    Raises:
        ConfigurationError: it is no store's URL, or an extra is not installed.
    """
    try:
        from scope_async.stores.encryption import Binding, EntryCipher  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"a shared store needs {error.name}: pip install 'scope-async[store]'"
        ) from None
    store = store_from_url(url)
    binding = Binding.of(config, credentials)
    if not binding.is_secret_strong:
        return StoreFinding(
            "the API secret is so short that it could be guessed from what is in the store",
            Diagnosis("credentials", "the store is not used: make a new key, whose secret Scope chooses"),
        )
    started = time.monotonic()
    try:
        async with asyncio.timeout(_TIMEOUT):
            left = await _round_trip(store, EntryCipher(binding))
    except TimeoutError:
        return StoreFinding(
            f"{store!r} gave no answer within {_TIMEOUT:g} s",
            Diagnosis("network", "clients go on alone: look at the load of the server or the disk"),
        )
    except Exception as error:  # noqa: BLE001 - an engine may raise anything
        return StoreFinding(
            f"{store!r}: {type(error).__name__}: {scrub(str(error))}",
            _advice_for(store),
        )
    finally:
        await store.aclose()
    took = (time.monotonic() - started) * 1000
    token = "no token is in it" if left is None else f"a token is in it, {left:.0f} s of its life are left"
    return StoreFinding(f"{store!r} answers ({took:.0f} ms for a round trip); {token}")


def _advice_for(store: SharedStore) -> Diagnosis:
    if isinstance(store, FileStore):
        return Diagnosis(
            "configuration",
            "clients go on alone: may this user write to that folder, is its disk local and not full?",
        )
    return Diagnosis(
        "network",
        "clients go on alone: does the server run at that address, "
        "and are user, password and ACL in SCOPE_STORE_URL right?",
    )


async def _round_trip(store: SharedStore, cipher: EntryCipher) -> float | None:
    """Return the seconds of life that the shared token has left, after a write and a read."""
    name = cipher.name("probe", secrets.token_hex(8))
    lease = await store.acquire(cipher.namespace, name, owner=secrets.token_hex(16), duration=_TIMEOUT)
    if isinstance(lease, Lease):
        await store.put(lease, cipher.encrypt("prompt", name, _CONTENT), lifetime=_TIMEOUT)
    written = await store.get(cipher.namespace, name)
    if written is None or cipher.decrypt("prompt", name, written.content) != _CONTENT:
        raise OSError("what was written cannot be read")
    await store.delete(cipher.namespace, name, version=written.version)
    place = cipher.name("token")
    token = await store.get(cipher.namespace, place)
    readable = token is not None and cipher.decrypt("token", place, token.content) is not None
    return token.expires_in if token is not None and readable else None
