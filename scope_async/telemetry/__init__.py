"""Events, and what calls the hooks that take them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scope_async.telemetry import events as events


def __getattr__(name: str) -> Any:
    # Imported with the first event that is emitted: a client without hooks emits none.
    if name == "events":
        return import_module(f"{__name__}.events")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
