"""Many prompts concurrently, and one error for all that failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import anyio

from scope_async.errors import ApiError, ClientClosedError, NotFoundError, ScopeError, ValidationError
from scope_async.prompts.version import PromptVersion

MAX_CONCURRENCY = 10


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return the names, each once, in their order.

    Raises:
        ValidationError: one string, or something that is not several strings.
    """
    if not isinstance(names, str):
        with suppress(TypeError):
            return list(dict.fromkeys(names))
    raise ValidationError(f"names must be several names, got a {type(names).__name__}")


async def fetch_all(
    names: list[str], get: Callable[[str], Awaitable[PromptVersion]]
) -> tuple[dict[str, PromptVersion], dict[str, ScopeError]]:
    """Return what `get` returned and what it raised, by name; at most 10 calls at once."""
    found: dict[str, PromptVersion] = {}
    failures: dict[str, ScopeError] = {}
    queue = iter(names)

    async def work() -> None:
        for name in queue:
            try:
                found[name] = await get(name)
            except ScopeError as error:
                failures[name] = error

    async with anyio.create_task_group() as group:
        for _ in range(min(MAX_CONCURRENCY, len(names))):
            group.start_soon(work)
    return {name: found[name] for name in names if name in found}, failures


def combine_errors(failures: dict[str, ScopeError]) -> ScopeError:
    """Return one error that names every prompt that failed, and why.

    Its class is that of the first failure other than a missing prompt, else `NotFoundError`.
    """
    if len(failures) == 1:
        (failure,) = failures.values()
        if isinstance(failure, NotFoundError | ValidationError | ClientClosedError):
            return failure
    missing = {name: error for name, error in failures.items() if isinstance(error, NotFoundError)}
    others = {name: error for name, error in failures.items() if name not in missing}
    sentences = [f"{name!r}: {error}" for name, error in others.items()]
    if missing:
        sentences.insert(0, f"not found: {', '.join(map(repr, missing))}")
    message = f"{len(failures)} prompt(s) could not be had; {'; '.join(sentences)}"
    if not others:
        return NotFoundError(message, http_status=next(iter(missing.values())).http_status)
    first = next(iter(others.values()))
    return first.replace(message=message) if isinstance(first, ApiError) else type(first)(message)
