"""A structured log, silent until the application or `SCOPE_LOG` asks for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.episode import Episode
from scope_async.telemetry.events import (
    BufferClamped,
    CacheHit,
    CredentialsChanged,
    CredentialsRefused,
    Event,
    FallbackUsed,
    RenewalFailed,
    RequestFailed,
    RequestRetried,
    ResponseReceived,
    StaleServed,
    StoreAvailable,
    StoreUnavailable,
    TokenExchanged,
)

_ROOT = logging.getLogger("scope_async")
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

# Each of these has a line of its own where it happens, in more words, or is an episode of the log there.
_LOGGED_ELSEWHERE = (
    BufferClamped,
    CredentialsChanged,
    CredentialsRefused,
    FallbackUsed,
    RenewalFailed,
    StaleServed,
    StoreAvailable,
    StoreUnavailable,
)
_LEVELS: Mapping[type[Event], int] = {
    CacheHit: logging.DEBUG,
    RequestRetried: logging.INFO,
    TokenExchanged: logging.INFO,
}


# The caller's own doing, and no failure of a service.
_NO_FAILURES = frozenset({"CancelledError", "ClientClosedError"})
# Episodes of the log where they happen, which know whether a copy stood in; so are all failed exchanges.
_EPISODES_ELSEWHERE = frozenset(
    {
        "ConnectionError",
        "InvalidCredentialsError",
        "RateLimitError",
        "ServerError",
        "TimeoutError",
        "TokenRefreshError",
    }
)


class LoggingHook:
    """A hook that logs each event on `scope_async.events`: `RequestRetried operation=… attempt=…`.

    For a formatter that writes JSON each record has `scope_event`, the event's name, and
    `scope_facts`, its fields. What the client does is logged at debug, what it does because
    something went wrong at info. Calls that fail are one episode for each operation: an error when
    it begins, one a minute with counts, one when it ends; each call of it is logged at debug. One
    hook serves any number of clients.
    """

    def __init__(self, logger: logging.Logger | None = None, *, clock: Clock | None = None) -> None:
        self._logger = logger or logging.getLogger("scope_async.events")
        self._clock = clock or SystemClock()
        self._episodes: dict[str, Episode] = {}

    def for_client(self, *, base_url: str, environment: str) -> LoggingHook:  # noqa: ARG002 - of the protocol
        """Return a hook with episodes of its own."""
        return LoggingHook(self._logger, clock=self._clock)

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, RequestFailed):
            if not _is_logged_elsewhere(event) and self._failed(event):
                return
        elif isinstance(event, ResponseReceived):
            episode = self._episodes.get(event.operation)
            if episode is not None:
                episode.recovered()
        level = _LEVELS.get(type(event), logging.DEBUG)
        if isinstance(event, _LOGGED_ELSEWHERE) or not self._logger.isEnabledFor(level):
            return
        extra = _extra(event)
        words = _words(extra["scope_facts"])
        self._logger.log(level, "%s %s", extra["scope_event"], words, extra=extra)

    def _failed(self, event: RequestFailed) -> bool:
        """Count a failed call; return True if a line was written."""
        episode = self._episodes.get(event.operation)
        if episode is None:
            problem = f"RequestFailed operation={_word(event.operation)}"
            episode = self._episodes[event.operation] = Episode(self._logger, self._clock, problem)
        return episode.occurred(
            event.error,
            "%s",
            _Words(event),
            failing=True,
            extra=_extra(event),
        )


def _is_logged_elsewhere(event: RequestFailed) -> bool:
    if event.operation == "exchange" or event.error in _NO_FAILURES:
        return True
    return event.operation == "prompts.get" and event.error in _EPISODES_ELSEWHERE


class _Words:
    """The fields of an event as words, made when a line is written."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __str__(self) -> str:
        return _words(msgspec.structs.asdict(self._event))


def _extra(event: Event) -> dict[str, Any]:
    return {"scope_event": type(event).__name__, "scope_facts": msgspec.structs.asdict(event)}


def _words(facts: Mapping[str, object]) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in facts.items() if value is not None)


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    # Whatever is in a name or an address, an event stays one line of one word per field.
    plain = text.isprintable() and not any(character in text for character in ' "=\\')
    return text if plain and text else repr(text)


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg] # generic to type checkers alone
    """The handler that `SCOPE_LOG` adds; recognised by its class, so that it is added once."""


def log_to_stderr(level: str) -> LoggingHook:
    """Return a hook that logs, after adding a handler that writes the log of this level to stderr."""
    if not any(isinstance(handler, _StderrHandler) for handler in _ROOT.handlers):
        handler = _StderrHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        _ROOT.addHandler(handler)
    _ROOT.setLevel(level.upper())
    return LoggingHook()
