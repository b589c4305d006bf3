"""The caller's fallback, for when neither the service nor a copy can answer."""

from __future__ import annotations

import asyncio
import builtins
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from scope_async.config import UnknownVariables
from scope_async.errors import TimeoutError, ValidationError
from scope_async.prompts.version import PromptVersion, with_flags

Fallback = (
    str
    | PromptVersion
    | Callable[[], str | PromptVersion | Awaitable[str | PromptVersion]]
    | Callable[[str], str | PromptVersion | Awaitable[str | PromptVersion]]
)
"""A text, a version, or a function of nothing or of the prompt's name, async or not, that returns one."""


def check_fallback(fallback: Any) -> None:
    """Raise if `fallback` cannot be one, before it is needed.

    Raises:
        ValidationError: neither a string, a `PromptVersion` nor a callable.
    """
    if not (fallback is None or isinstance(fallback, str | PromptVersion) or callable(fallback)):
        raise ValidationError(
            "fallback must be a string, a PromptVersion or a callable that returns one of them, "
            f"got {type(fallback).__name__}"
        )


async def fallback_version(
    fallback: Fallback, name: str, unknown_variables: UnknownVariables, limit: float
) -> PromptVersion:
    """Return the fallback as a version with `is_fallback` set; what it awaits has `limit` seconds.

    Raises:
        ValidationError: a callable returned something else.
        TimeoutError: it has not returned in time.
        Exception: what a callable raised, unchanged.
    """
    found: Any = fallback
    if not isinstance(found, str | PromptVersion):
        found = call_fallback(found, name)
        if inspect.isawaitable(found):
            found = await _within(limit, found, name)
    if isinstance(found, str):
        found = PromptVersion(name=name, content=found, unknown_variables=unknown_variables)
    if not isinstance(found, PromptVersion):
        raise ValidationError(
            f"the fallback of prompt {name!r} returned a {type(found).__name__}, "
            "not a string or a PromptVersion"
        )
    return with_flags(found, is_fallback=True)


def call_fallback(fallback: Callable[..., Any], name: str) -> Any:
    """Return what the function returns for the prompt called `name`, which may have to be awaited."""
    return fallback(name) if _wants_name(fallback) else fallback()


async def _within(limit: float, answer: Awaitable[Any], name: str) -> Any:
    bound = asyncio.timeout(limit)
    try:
        async with bound:
            return await answer
    except builtins.TimeoutError:
        if not bound.expired():
            raise
    raise TimeoutError(f"the fallback of prompt {name!r} has not returned within timeout = {limit:g} s")


def _wants_name(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in signature.parameters.values()
    )
