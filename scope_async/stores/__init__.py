"""Stores that processes share: one token and one copy of each prompt for a fleet."""

from typing import TYPE_CHECKING, Any

from scope_async.stores.file.store import FileStore
from scope_async.stores.from_url import store_from_url
from scope_async.stores.protocol import Change, Lease, LeaseHeld, SharedStore, StoredEntry

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name != "RedisStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from scope_async.stores.redis.store import RedisStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ImportError(
            f"RedisStore needs {error.name}: pip install 'scope-async[redis]'", name=error.name
        ) from None
    return RedisStore
