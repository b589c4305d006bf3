from __future__ import annotations

import asyncio
import builtins
from functools import partial
from typing import Any

import pytest

from scope_async.errors import TimeoutError, ValidationError
from scope_async.prompts.fallback import check_fallback, fallback_version
from scope_async.prompts.version import PromptVersion

OWN = PromptVersion(name="own", content="own text")


async def returns(value: Any) -> Any:
    return value


async def returns_never() -> str:
    await asyncio.Event().wait()
    return "never"


def named(name: str, suffix: str = "!") -> str:
    return name + suffix


@pytest.mark.parametrize(
    ("fallback", "content"),
    [
        ("text", "text"),
        ("", ""),
        (OWN, "own text"),
        (lambda: "called", "called"),
        (lambda name: f"for {name}", "for p"),
        (named, "p!"),
        (partial(named, "given"), "given!"),
        (lambda: OWN, "own text"),
        (lambda: returns("awaited"), "awaited"),
        (lambda name: returns(OWN), "own text"),
        (str, ""),
    ],
)
async def test_fallback_version_takes_every_kind(fallback: Any, content: str) -> None:
    version = await fallback_version(fallback, "p", "error", 5)
    assert (version.content, version.is_fallback, version.is_stale) == (content, True, False)
    assert not OWN.is_fallback


async def test_fallback_version_of_a_text_has_the_prompts_name_and_option() -> None:
    version = await fallback_version("Hi {{x}}", "p", "ignore", 5)
    assert version.name == "p"
    assert version.render(x="X", other="ignored") == "Hi X"


@pytest.mark.parametrize("fallback", [lambda: 5, lambda: None, lambda: returns(b"bytes")])
async def test_fallback_version_refuses_another_result(fallback: Any) -> None:
    with pytest.raises(ValidationError, match="fallback of prompt 'p' returned a"):
        await fallback_version(fallback, "p", "error", 5)


async def test_fallback_version_that_hangs_ends_at_its_limit() -> None:
    with pytest.raises(
        TimeoutError, match=r"fallback of prompt 'p' has not returned within timeout = 0\.01 s"
    ):
        await fallback_version(returns_never, "p", "error", 0.01)


async def test_fallback_version_raises_a_timeout_of_its_own() -> None:
    async def late() -> str:
        raise builtins.TimeoutError("its own")

    with pytest.raises(builtins.TimeoutError, match="its own"):
        await fallback_version(late, "p", "error", 5)


async def test_fallback_version_raises_what_a_callable_raises() -> None:
    def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fallback_version(broken, "p", "error", 5)


@pytest.mark.parametrize("fallback", [5, b"bytes", ["text"], {}])
def test_check_fallback_refuses_what_cannot_be_one(fallback: Any) -> None:
    with pytest.raises(ValidationError, match="fallback must be"):
        check_fallback(fallback)


@pytest.mark.parametrize("fallback", [None, "", "text", OWN, print, lambda: ""])
def test_check_fallback_accepts_every_kind(fallback: Any) -> None:
    check_fallback(fallback)
