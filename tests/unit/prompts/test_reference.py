from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from scope_async.errors import ValidationError
from scope_async.prompts.reference import PromptRef, key_of


@pytest.mark.parametrize(
    ("arguments", "key", "selector", "path"),
    [
        (("p",), "p", "production", "/prompts/p/production"),
        (("p", "production"), "p", "production", "/prompts/p/production"),
        (("p", "latest"), ("p", "label", "latest"), "latest", "/prompts/p/latest"),
        (("p", None, "v 1"), ("p", "version", "v 1"), "v 1", "/prompts/p/versions/v%201"),
        (("a/b",), "a/b", "production", "/prompts/a%2Fb/production"),
    ],
)
def test_of_returns_key_selector_and_path(arguments: Any, key: Any, selector: str, path: str) -> None:
    ref = PromptRef.of(*arguments)
    assert (ref.name, ref.key, ref.selector, ref.path) == (arguments[0], key, selector, path)
    assert str(ref) == f"prompt:{ref.name}:{selector}"
    assert key_of(*arguments, *[None] * (3 - len(arguments))) == key


def test_of_takes_the_text_of_strings_of_another_class() -> None:
    class Own(str, Enum):  # noqa: UP042 - as many write it
        GREETING = "greeting"
        LATEST = "latest"

        def __str__(self) -> str:
            return "no text of ours"

    ref = PromptRef.of(Own.GREETING, Own.LATEST)
    assert ref == PromptRef.of("greeting", "latest")
    assert {type(ref.name), type(ref.selector)} == {str}
    assert ref.path == "/prompts/greeting/latest"


@pytest.mark.parametrize(
    ("arguments", "template", "is_production", "is_by_id"),
    [
        (("p",), "/prompts/{name}/production", True, False),
        (("p", "latest"), "/prompts/{name}/latest", False, False),
        (("p", None, "latest"), "/prompts/{name}/versions/{version_id}", False, True),
    ],
)
def test_of_tells_labels_and_ids_apart(
    arguments: Any, template: str, is_production: bool, is_by_id: bool
) -> None:
    ref = PromptRef.of(*arguments)
    assert (ref.template, ref.is_production, ref.is_by_id) == (template, is_production, is_by_id)


@pytest.mark.parametrize(
    "arguments",
    [
        ("",),
        ("n" * 256,),
        (".",),
        ("..",),
        (5,),
        ("\ud800",),
        ("p", "staging"),
        ("p", ""),
        ("p", "latest", "v"),
        ("p", None, ""),
        ("p", None, ".."),
        ("p", None, 3),
    ],
)
def test_of_refuses_what_cannot_be_asked_for(arguments: Any) -> None:
    with pytest.raises(ValidationError):
        PromptRef.of(*arguments)


def test_key_of_a_label_and_a_version_together_is_no_key() -> None:
    assert key_of("p", "latest", "v") == ""
