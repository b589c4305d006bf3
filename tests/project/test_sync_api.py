"""The clients with and without `async` are the same, name by name and sentence by sentence."""

from __future__ import annotations

import collections.abc
import inspect
import re
import typing
from typing import Any

import pytest

import scope_async
from scope_async import sync
from scope_async.prompts.fallback import Fallback
from scope_async.status import ClientStatus
from scope_async.stores.protocol import SharedStore
from scope_async.sync.tokens import ClientTokens

# With `async`, without, and what only one of them has: to open, to close, and to stand alone.
PAIRS = {
    "ScopeClient": (scope_async.ScopeClient, sync.ScopeClient, set()),
    "ApiKeyAdmin": (scope_async.ApiKeyAdmin, sync.ApiKeyAdmin, set()),
    "tokens": (scope_async.TokenSource, ClientTokens, {"start", "aclose", "get_within"}),
}
RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
WITHOUT_ASYNC = {
    "`async with`": "`with`",
    "`aclose`": "`close`",
    "never suspends": "never waits",
    "cancelling a caller leaves": "interrupting a caller leaves",
    "from whichever event loop": "from whichever thread",
    " (when awaited)": "",
}


def methods(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if not name.startswith("_") and callable(value)} | {
        name for name, value in vars(kind).items() if isinstance(value, classmethod)
    }


def without_async(text: str) -> str:
    for term, plain in WITHOUT_ASYNC.items():
        text = text.replace(term, plain)
    return text


def described(method: Any) -> str:
    return re.sub(r"\s+", " ", without_async(inspect.getdoc(method) or ""))


def returned(annotation: Any) -> Any:
    """Return what a synchronous method returns where the asynchronous one returns `annotation`."""
    if typing.get_origin(annotation) is collections.abc.AsyncIterator:
        return collections.abc.Iterator.__class_getitem__(*typing.get_args(annotation))
    if typing.get_origin(annotation) is collections.abc.Coroutine:
        return typing.get_args(annotation)[-1]
    return annotation


PAIRED = [
    pytest.param(with_async, without, name, id=f"{kind}.{name}")
    for kind, (with_async, without, left_out) in PAIRS.items()
    for name in sorted(methods(with_async) - left_out)
]


CHECKED_ALONE = {"ClientStatus": ClientStatus, "Fallback": Fallback, "SharedStore": SharedStore}


def hints(function: Any) -> dict[str, Any]:
    # What only type checkers import, so that most clients pay for none of it.
    return typing.get_type_hints(function, localns=CHECKED_ALONE)


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_both_clients_have_the_same_methods(kind) -> None:
    with_async, without, left_out = PAIRS[kind]
    expected = {RENAMED.get(name, name) for name in methods(with_async) - left_out}
    assert methods(without) == expected


@pytest.mark.parametrize(("with_async", "without", "name"), PAIRED)
def test_both_methods_have_the_same_arguments_defaults_and_types(with_async, without, name) -> None:
    ours, theirs = getattr(without, RENAMED.get(name, name)), getattr(with_async, name)
    assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
    found, expected = hints(ours), hints(theirs)
    assert found.pop("return") == returned(expected.pop("return"))
    assert found == expected
    assert not inspect.iscoroutinefunction(ours)
    assert not inspect.isasyncgenfunction(ours)


@pytest.mark.parametrize(("with_async", "without", "name"), PAIRED)
def test_both_methods_promise_the_same(with_async, without, name) -> None:
    assert described(getattr(without, RENAMED.get(name, name))) == described(getattr(with_async, name))


@pytest.mark.parametrize("kind", ["ScopeClient", "ApiKeyAdmin"])
def test_both_constructors_have_the_same_arguments_defaults_and_types(kind) -> None:
    kinds: tuple[Any, Any] = PAIRS[kind][:2]
    with_async, without = kinds
    assert inspect.signature(without).parameters == inspect.signature(with_async).parameters
    assert hints(without.__init__) == hints(with_async.__init__)


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_docstring_without_async_speaks_of_no_await(kind) -> None:
    without = PAIRS[kind][1]
    for described_thing in (without, *(getattr(without, name) for name in methods(without))):
        text = inspect.getdoc(described_thing) or ""
        assert not re.search(r"\bawait\b|async with|aclose|coroutine", text)
