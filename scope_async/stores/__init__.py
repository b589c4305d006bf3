"""Stores that processes share: one token and one copy of each prompt for a fleet."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scope_async.stores.file.store import FileStore
    from scope_async.stores.from_url import store_from_url
    from scope_async.stores.protocol import Change, Lease, LeaseHeld, SharedStore, StoredEntry
    from scope_async.stores.redis.store import RedisStore

__all__ = [
    "Change",
    "FileStore",
    "Lease",
    "LeaseHeld",
    "RedisStore",
    "SharedStore",
    "StoredEntry",
    "store_from_url",
]

# Imported at the first use: a client without a store pays for none of them.
_HOMES = dict.fromkeys(("Change", "Lease", "LeaseHeld", "SharedStore", "StoredEntry"), "protocol") | {
    "FileStore": "file.store",
    "RedisStore": "redis.store",
    "store_from_url": "from_url",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if name != "RedisStore":
            raise
        raise ImportError(
            f"RedisStore needs {error.name}: pip install 'scope-async[redis]'", name=error.name
        ) from None
