"""A structured log, silent until the application or `SCOPE_LOG` asks for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import attrs

from scope_async.environment import Environment
from scope_async.telemetry.events import (
    BufferClamped,
    CacheHit,
    CredentialsChanged,
    CredentialsRefused,
    Event,
    FallbackUsed,
    Hook,
    RenewalFailed,
    RequestFailed,
    RequestRetried,
    StaleServed,
    TokenExchanged,
)

_ROOT = logging.getLogger("scope_async")
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

# Each of these has a line of its own where it happens, once for each outage and in more words.
_LOGGED_ELSEWHERE = (
    BufferClamped,
    CredentialsChanged,
    CredentialsRefused,
    FallbackUsed,
    RenewalFailed,
    StaleServed,
)
_LEVELS: Mapping[type[Event], int] = {
    CacheHit: logging.DEBUG,
    RequestFailed: logging.WARNING,
    RequestRetried: logging.INFO,
    TokenExchanged: logging.INFO,
}


class LoggingHook:
    """A hook that logs each event on `scope_async.events`: `RequestRetried operation=… attempt=…`.

    For a formatter that writes JSON each record has `scope_event`, the event's name, and
    `scope_facts`, its fields. What the client does is logged at debug, what it does because
    something went wrong at info, and a call that failed as a warning.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("scope_async.events")

    def __call__(self, event: Event, /) -> None:
        level = _LEVELS.get(type(event), logging.DEBUG)
        if isinstance(event, _LOGGED_ELSEWHERE) or not self._logger.isEnabledFor(level):
            return
        facts = attrs.asdict(event)
        words = " ".join(f"{name}={_word(value)}" for name, value in facts.items() if value is not None)
        name = type(event).__name__
        self._logger.log(level, "%s %s", name, words, extra={"scope_event": name, "scope_facts": facts})


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    # Whatever is in a name or an address, an event stays one line of one word per field.
    plain = text.isprintable() and not any(sign in text for sign in ' "=\\')
    return text if plain and text else repr(text)


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg] # generic to type checkers alone
    """The handler that `SCOPE_LOG` adds; recognised by its class, so that it is added once."""


def log_hooks() -> tuple[Hook, ...]:
    """Return the hooks that `SCOPE_LOG` asks for, after adding a handler that writes the log to stderr.

    Without the variable it returns none and the log goes to the application's handlers alone.

    Raises:
        ConfigurationError: the variable names no level.
    """
    environment = Environment()
    level = environment.log_level()
    environment.check()
    if level is None:
        return ()
    if not any(isinstance(handler, _StderrHandler) for handler in _ROOT.handlers):
        handler = _StderrHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        _ROOT.addHandler(handler)
    _ROOT.setLevel(level.upper())
    return (LoggingHook(),)
