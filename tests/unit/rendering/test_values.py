import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from types import MappingProxyType, SimpleNamespace
from uuid import UUID

import pytest

from scope_async.errors import ValidationError
from scope_async.rendering.values import format_value


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Tone(StrEnum):
    WARM = "warm"


class Odd(Enum):
    ODD = object()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{{x}}", "{{x}}"),
        (1, "1"),
        (1.5, "1.5"),
        (True, "True"),
        (Decimal("1.50"), "1.50"),
        (2j, "2j"),
        (dt.date(2024, 5, 1), "2024-05-01"),
        (dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC), "2024-05-01 10:00:00+00:00"),
        (dt.time(10, 30), "10:30:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Color.RED, "red"),
        (Level.HIGH, "3"),
        (Tone.WARM, "warm"),
        ({"a": [1, None, True, "ü"]}, '{"a": [1, null, true, "ü"]}'),
        ([], "[]"),
        ((1, 2), "[1, 2]"),
        (MappingProxyType({"a": (1,)}), '{"a": [1]}'),
        ([Color.RED, Level.HIGH, dt.date(2024, 5, 1), Decimal("1.50")], '["red", 3, "2024-05-01", "1.50"]'),
    ],
)
def test_format_value_returns_plain_text(value, text):
    assert format_value("v", value) == text


def _endless() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"bytes",
        {1, 2},
        Odd.ODD,
        lambda: None,
        dt.timedelta(days=1),
        {"a": object()},
        {1: "a", "1": "b"},
        [float("nan")],
        float("nan"),
        float("inf"),
        {"a": [-float("inf")]},
        Decimal("NaN"),
        [Decimal("Infinity")],
        complex("nan"),
        [b"bytes"],
        {"a": bytearray(b"x")},
        memoryview(b"x"),
        [{1}],
        [dt.timedelta(days=1)],
        [Odd.ODD],
        [10**5000],
        _endless(),
        pytest.param(10**5000, id="huge"),
    ],
)
def test_format_value_refuses_a_value_without_plain_text_by_name(value):
    with pytest.raises(ValidationError, match="'v'"):
        format_value("v", value)


class _Secretive:
    def __repr__(self):
        return "TOP-SECRET"


def test_format_value_keeps_a_refused_value_out_of_the_error():
    with pytest.raises(ValidationError) as caught:
        format_value("v", _Secretive())
    assert "TOP-SECRET" not in str(caught.value)


class _Scalar:
    """As much of a scalar of numpy as there is to see without it."""

    ndim = 0

    def __init__(self, kind, value, text):
        self.dtype = SimpleNamespace(kind=kind)
        self._value, self._text = value, text

    def item(self):
        return self._value

    def __str__(self):
        return self._text


_Scalar.__module__ = "numpy"


@pytest.mark.parametrize(
    ("scalar", "alone", "inside"),
    [
        (_Scalar("i", 3, "3"), "3", "[3]"),
        (_Scalar("f", 0.10000000149011612, "0.1"), "0.1", "[0.1]"),
        (_Scalar("b", True, "True"), "True", "[true]"),
        (Decimal("1.50"), "1.50", '["1.50"]'),
        (Fraction(1, 3), "1/3", '["1/3"]'),
        (dt.date(2024, 5, 1), "2024-05-01", '["2024-05-01"]'),
        (Level.HIGH, "3", "[3]"),
        (Tone.WARM, "warm", '["warm"]'),
        (10**50, str(10**50), f"[{10**50}]"),
    ],
)
def test_format_value_has_one_rule_for_every_depth(scalar, alone, inside):
    assert format_value("v", scalar) == alone
    assert format_value("v", [scalar]) == inside
    assert format_value("v", {"a": ([scalar],)}) == f'{{"a": [{inside}]}}'


@pytest.mark.parametrize("value", [_Scalar("M", 0, "x"), _Scalar("f", 0.0, "nan"), _Scalar("O", 0, "x")])
def test_format_value_refuses_other_scalars_of_numpy(value):
    for given in (value, [value]):
        with pytest.raises(ValidationError, match="'v'"):
            format_value("v", given)


def test_format_value_of_numpy_itself():
    numpy = pytest.importorskip("numpy")
    scalars = [numpy.int64(3), numpy.float32(0.1), numpy.float64(1.5), numpy.bool_(True), numpy.str_("s")]
    assert format_value("v", scalars) == '[3, 0.1, 1.5, true, "s"]'
    assert [format_value("v", scalar) for scalar in scalars] == ["3", "0.1", "1.5", "True", "s"]
    for refused in (
        numpy.float64("nan"),
        numpy.array([1]),
        numpy.bytes_(b"x"),
        numpy.datetime64("2024-05-01"),
    ):
        with pytest.raises(ValidationError):
            format_value("v", refused)


@pytest.mark.parametrize("error", [RuntimeError("x"), RecursionError(), MemoryError(), KeyError("x")])
def test_format_value_raises_nothing_else_whatever_a_value_does(error):
    class Hostile(dict):
        def items(self):
            raise error

    with pytest.raises(ValidationError, match="'v'"):
        format_value("v", Hostile())
