from __future__ import annotations

import pytest

from scope_async._core.frozen_json import freeze, freeze_mapping, is_array, is_object, thaw

VALUE = {"a": [1, {"b": None}], "c": "text", "d": {"e": [True]}}


def test_freeze_copies_so_that_the_original_may_change() -> None:
    original = {"a": [1]}
    frozen = freeze(original)
    original["a"].append(2)
    assert frozen["a"] == (1,)


def test_freeze_makes_every_level_immutable() -> None:
    frozen = freeze(VALUE)
    with pytest.raises(TypeError):
        frozen["d"]["e"] = []
    assert isinstance(frozen["a"], tuple)
    with pytest.raises(TypeError):
        frozen["a"][1]["b"] = 1


def test_thaw_restores_what_freeze_was_given() -> None:
    assert thaw(freeze(VALUE)) == thaw(freeze_mapping(VALUE)) == VALUE


def test_is_object_and_is_array_accept_plain_and_frozen_values() -> None:
    assert is_object({})
    assert is_object(freeze({}))
    assert is_array([])
    assert is_array(freeze([]))
    assert not is_object([])
    assert not is_array("text")
