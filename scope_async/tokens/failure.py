"""What an exchange failed with, and what each caller is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from scope_async.errors import ApiError, InvalidCredentialsError, ScopeError, TokenRefreshError

Result = TypeVar("Result")


class CancelledInside(Exception):  # noqa: N818 - it is named after what happened
    """The code of the user's own that was awaited, not the task that awaits it, was cancelled."""


async def contained(call: Awaitable[Result]) -> Result:
    """Return the result of `call`; a cancellation that nobody asked of this task is a failure.

    A provider may await something of its own that was cancelled. Passed on, its
    `CancelledError` would end the client's background tasks as if they had been killed, and
    every caller would try again at once.

    Raises:
        CancelledInside: `call` raised `CancelledError` and this task is not being cancelled.
    """
    try:
        return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise CancelledInside from error


def as_failure(error: Exception) -> ScopeError:
    """Return the package's error for whatever an exchange raised."""
    if isinstance(error, ScopeError):
        return error
    failure = TokenRefreshError(f"the credential provider failed with {type(error).__name__}")
    failure.__cause__ = error
    return failure


def own_error(error: Exception, *, retry_after: float) -> ScopeError:
    """Return an exception for one caller, caused by the shared `error`.

    One object that is raised for a thousand callers would grow its traceback without bound.
    """
    facts = error if isinstance(error, ApiError) else ApiError(str(error))
    refused = isinstance(error, InvalidCredentialsError)
    own = (InvalidCredentialsError if refused else TokenRefreshError)(
        facts.message if refused else f"no valid token: {facts.message}",
        http_status=facts.http_status,
        error_code=facts.error_code,
        request_id=facts.request_id,
        http_body=facts.http_body,
        retry_after=retry_after,
    )
    own.__cause__ = error
    return own
