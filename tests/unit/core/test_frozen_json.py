from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import aiohttp
import msgspec
import pytest

from scope_async._core.frozen_json import (
    MAX_DEPTH,
    FrozenDict,
    freeze,
    freeze_mapping,
    is_array,
    is_object,
    thaw,
    to_plain_json,
)
from scope_async.errors import ValidationError

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


@pytest.mark.parametrize(
    "change",
    [
        lambda frozen: frozen.__setitem__("x", 1),
        lambda frozen: frozen.__delitem__("a"),
        lambda frozen: frozen.__ior__({"x": 1}),
        lambda frozen: frozen.update(x=1),
        lambda frozen: frozen.setdefault("x", 1),
        lambda frozen: frozen.pop("a"),
        lambda frozen: frozen.popitem(),
        lambda frozen: frozen.clear(),
    ],
)
def test_frozen_dict_refuses_every_change(change: Any) -> None:
    frozen = freeze_mapping(VALUE)
    with pytest.raises(TypeError, match="cannot be changed"):
        change(frozen)
    assert thaw(frozen) == VALUE


def test_frozen_dict_is_written_as_json_by_every_library() -> None:
    frozen = freeze_mapping(VALUE)
    assert json.loads(json.dumps(frozen)) == VALUE
    assert msgspec.json.decode(msgspec.json.encode(frozen)) == VALUE
    assert aiohttp.JsonPayload(frozen).decode() == json.dumps(VALUE)


def test_frozen_dict_copies_to_plain_values_and_pickles_to_frozen_ones() -> None:
    frozen = freeze_mapping(VALUE)
    plain = copy.deepcopy(frozen)
    assert plain == VALUE
    assert (type(plain), type(plain["a"]), type(plain["d"])) == (dict, list, dict)
    assert type(copy.copy(frozen)) is dict
    again = pickle.loads(pickle.dumps(frozen))
    assert (type(again), again) == (FrozenDict, frozen)


def nested(depth: int, *, by: Any = list) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if by is list else {"a": value}
    return value


@pytest.mark.parametrize("by", [list, dict])
def test_freeze_has_one_limit_of_depth(by: Any) -> None:
    assert thaw(freeze(nested(MAX_DEPTH, by=by))) == nested(MAX_DEPTH, by=by)
    for deeper in (MAX_DEPTH + 1, 450, 100_000):
        with pytest.raises(ValidationError, match="nested deeper"):
            freeze(nested(deeper, by=by))


def test_freeze_refuses_a_value_without_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValidationError, match="nested deeper"):
        freeze(endless)


def test_to_plain_json_has_nothing_that_json_lacks() -> None:
    value = {"nan": float("nan"), "inf": [float("inf")], "tuple": (1,), "other": 2j, "text": "\ud800"}
    plain = to_plain_json(freeze(value))
    assert plain == {"nan": None, "inf": [None], "tuple": [1], "other": "2j", "text": "\ud800"}
    assert json.dumps(plain, allow_nan=False)
