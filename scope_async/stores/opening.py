"""The store that a client was given, ready to be used; without one nothing of it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.errors import ConfigurationError
from scope_async.telemetry.hooks import Emit

if TYPE_CHECKING:
    from scope_async.stores.client_store import ClientStore
    from scope_async.stores.protocol import SharedStore


def open_client_store(
    store: SharedStore | None, config: Config, background: Background, clock: Clock, emit: Emit | None
) -> ClientStore | None:
    """Return `store`, or that of `store_url`, for a client; None without either. Connects to nothing.

    Raises:
        ConfigurationError: it is no store, or what it needs is not installed.
    """
    if store is None and config.store_url is None:
        return None
    try:
        from scope_async.stores.client_store import ClientStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"a shared store needs {error.name}: pip install 'scope-async[store]'"
        ) from None
    from scope_async.stores.from_url import store_from_url  # noqa: PLC0415 - costs time to import
    from scope_async.stores.protocol import SharedStore  # noqa: PLC0415 - the same

    found: object = (
        store if config.store_url is None or store is not None else store_from_url(config.store_url)
    )
    if not isinstance(found, SharedStore):
        raise ConfigurationError(
            f"store must be a SharedStore such as FileStore(path), got {type(found).__name__}"
        )
    return ClientStore(found, config, background=background, clock=clock, emit=emit)
