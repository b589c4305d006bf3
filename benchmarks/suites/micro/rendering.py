"""Rendering: ours, a `join` of the same parts, and other clients; a short prompt, 100 kB, and 1 MB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import to_thread

from benchmarks.harness.case import Case, Timer, simple_case, timed_calls
from benchmarks.harness.stub_server import VERSION
from benchmarks.suites.micro.prompt_peers import langfuse, official_sdk
from scope_async import PromptVersion

NAMES = [f"variable_{number}" for number in range(50)]
VALUES = dict.fromkeys(NAMES, "value")


def _by_hand(name: str, app: str) -> str:
    return "".join(("Hello, ", name, "! Welcome to ", app, "."))  # noqa: FLY002 - the floor is a join


def _keywords() -> Timer:
    version = PromptVersion(name="greeting", content=str(VERSION["content"]))
    return timed_calls(lambda: version.render(name="Alice", app="Scope"))


def _mapping() -> Timer:
    version = PromptVersion(name="greeting", content=str(VERSION["content"]))
    return timed_calls(lambda: version.render({"name": "Alice", "app": "Scope"}))


@asynccontextmanager
async def official(url: str) -> AsyncIterator[Timer]:
    version = await to_thread.run_sync(official_sdk(url).get_prompt_version, "greeting")
    yield timed_calls(lambda: version.render(name="Alice", app="Scope"))


@asynccontextmanager
async def of_langfuse(url: str) -> AsyncIterator[Timer]:
    prompt = await to_thread.run_sync(langfuse(url).get_prompt, "greeting")
    yield timed_calls(lambda: prompt.compile(name="Alice", app="Scope"))


def _literals(size: int) -> list[str]:
    # Every part is a string of its own, as in a template; one string 50 times would stay in the CPU's cache.
    return [f"{number:04}" * (size // len(NAMES) // 4) for number in range(len(NAMES))]


def _parts(size: int) -> list[str]:
    return [part for text in _literals(size) for part in (text, "value")]


def _version(size: int) -> PromptVersion:
    pairs = zip(_literals(size), NAMES, strict=True)
    return PromptVersion(name="large", content="".join(f"{text}{{{{{name}}}}}" for text, name in pairs))


def _join(size: int) -> Callable[[], Timer]:
    def timer() -> Timer:
        parts = _parts(size)
        return timed_calls(lambda: "".join(parts))

    return timer


def _large_mapping(size: int) -> Callable[[], Timer]:
    def timer() -> Timer:
        version = _version(size)
        return timed_calls(lambda: version.render(VALUES))

    return timer


def _large_keywords() -> Timer:
    version = _version(100_000)
    return timed_calls(lambda: version.render(**VALUES))


def _keywords_and_join() -> Timer:
    parts = _parts(100_000)

    def join(**_: str) -> str:
        return "".join(parts)

    return timed_calls(lambda: join(**VALUES))


CASES = {
    "render(name=…, app=…)": simple_case(_keywords),
    "a join by hand": simple_case(lambda: timed_calls(lambda: _by_hand(name="Alice", app="Scope"))),
    "render(mapping)": simple_case(_mapping),
    "scope_client's render": Case(official, "scope_client"),
    "langfuse's compile": Case(of_langfuse, "langfuse"),
    "100 kB, 50 variables, mapping": simple_case(_large_mapping(100_000)),
    "a join of 100 kB": simple_case(_join(100_000)),
    "100 kB, 50 variables, keywords": simple_case(_large_keywords),
    "a function of 50 keywords that joins 100 kB": simple_case(_keywords_and_join),
    "1 MB, 50 variables, mapping": simple_case(_large_mapping(1_000_000)),
    "a join of 1 MB": simple_case(_join(1_000_000)),
}
