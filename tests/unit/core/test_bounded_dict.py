from __future__ import annotations

from scope_async._core.bounded_dict import BoundedDict


def test_bounded_dict_evicts_the_item_that_was_added_first() -> None:
    bounded: BoundedDict[str, int] = BoundedDict(2)
    bounded["a"], bounded["b"], bounded["c"] = 1, 2, 3
    assert bounded == {"b": 2, "c": 3}


def test_bounded_dict_evicts_nothing_when_a_value_is_replaced() -> None:
    bounded: BoundedDict[str, int] = BoundedDict(2)
    bounded["a"], bounded["b"] = 1, 2
    bounded["a"] = 3
    assert bounded == {"a": 3, "b": 2}


def test_bounded_dict_is_bounded_by_setdefault_and_update_too() -> None:
    bounded: BoundedDict[str, int] = BoundedDict(1)
    assert bounded.setdefault("a", 1) == 1
    bounded.update(b=2, c=3)
    assert bounded == {"c": 3}


def test_bounded_dict_forgets_what_was_popped() -> None:
    bounded: BoundedDict[str, int] = BoundedDict(2)
    bounded["a"] = 1
    assert bounded.pop("a", None) == 1
    assert bounded.pop("a", None) is None
