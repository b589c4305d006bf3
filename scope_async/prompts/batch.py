"""Many prompts concurrently, and one error for all that failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import anyio

from scope_async.errors import ApiError, ClientClosedError, NotFoundError, ScopeError, ValidationError
from scope_async.http.failures import is_unavailable
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
    missing = {
        name: error
        for name, error in failures.items()
        if isinstance(error, NotFoundError) and not is_unavailable(error)
    }
    others = {name: error for name, error in failures.items() if name not in missing}
    first = next(iter((others or missing).values()))
    sentences = [f"not found: {_listed(missing)}"] if missing else []
    sentences += [f"{_listed(names)}: {reason}" for reason, names in _reasons(others, first).items()]
    message = f"{len(failures)} prompt(s) could not be fetched; {'; '.join(sentences)}"
    if not others:
        return NotFoundError(message, http_status=getattr(first, "http_status", None))
    return first.replace(message=message) if isinstance(first, ApiError) else type(first)(message)


def _reasons(failures: dict[str, ScopeError], first: ScopeError) -> dict[str, list[str]]:
    """Return the names by what happened to them.

    The status and the code of `first` are left out: the combined error is of its kind and says
    them itself, with its request id.
    """
    reasons: dict[str, list[str]] = {}
    for name, error in failures.items():
        reason = str(getattr(error, "message", error))
        facts = [
            f"{label} {getattr(error, fact)}"
            for label, fact in (("HTTP", "http_status"), ("code", "error_code"))
            if getattr(error, fact, None) not in (None, getattr(first, fact, None))
        ]
        reasons.setdefault(f"{reason} ({', '.join(facts)})" if facts else reason, []).append(name)
    return reasons


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
