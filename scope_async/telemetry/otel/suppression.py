"""Suppressed instrumentation: by the application for this client, and by this client for its HTTP library."""

from __future__ import annotations

from contextvars import Token
from types import TracebackType

from opentelemetry import context
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - as every instrumentation does
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
    Context,
)

_PLAIN_KEY = "suppress_instrumentation"
"""Also set by `opentelemetry.instrumentation.utils`, for instrumentations that read only this key."""


def is_suppressed() -> bool:
    """Return True within `suppress_instrumentation()`."""
    return bool(context.get_value(_SUPPRESS_INSTRUMENTATION_KEY) or context.get_value(_PLAIN_KEY))


def is_http_suppressed() -> bool:
    """Return True within `suppress_http_instrumentation()` or `suppress_instrumentation()`."""
    return bool(context.get_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY)) or is_suppressed()


def suppressing_http(base: Context | None) -> Context:
    """Return `base` (None: the current context) in which HTTP libraries make no spans."""
    return context.set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, base)


class Attached:
    """Makes a context the current one while it is entered."""

    __slots__ = ("_context", "_token")

    def __init__(self, attached: Context) -> None:
        self._context = attached
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token = context.attach(self._context)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A coroutine that is never finished is closed by the garbage collector, in another context.
        if self._token is not None and kind is not GeneratorExit:
            context.detach(self._token)
