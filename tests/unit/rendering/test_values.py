import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
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
