import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.compiler import Render
from scope_async.rendering.renderers import TextRenderer
from scope_async.rendering.template import Template
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
    ("text", "parts"),
    [
        ("plain", ["plain"]),
        ("", [""]),
        ("{{a}}", ["", "a", ""]),
        ("x{{a}}{{b_1}}y{{a}}", ["x", "a", "", "b_1", "y", "a", ""]),
        ("{{{a}}}", ["{", "a", "}"]),
        ("{{ a }} {{a-b}} {{}} {a} {{a} {{ä}}", ["{{ a }} {{a-b}} {{}} {a} {{a} {{ä}}"]),
        ("{{A}}{{a}}{{1}}", ["", "A", "", "a", "", "1", ""]),
    ],
)
def test_only_the_contracts_syntax_is_a_variable(text, parts):
    assert Template(text).parts == parts


def test_names_are_unique_and_in_order_of_appearance():
    assert Template("{{b}}{{a}}{{b}}").names == ("b", "a")


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
def test_values_become_plain_text(value, text):
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
def test_a_value_without_plain_text_is_refused_by_name(value):
    with pytest.raises(ValidationError, match="'v'"):
        format_value("v", value)


class _Secretive:
    def __repr__(self):
        return "TOP-SECRET"


def test_a_refused_value_is_not_in_the_error():
    with pytest.raises(ValidationError) as caught:
        format_value("v", _Secretive())
    assert "TOP-SECRET" not in str(caught.value)


def renderings(text, *arguments, declared=(), strict=True, **kw):
    """Render the slow way, the way that compiles, and the compiled way; they must agree."""
    outcomes: list[Any] = []
    renderer = TextRenderer(text, declared, strict=strict)
    warm = TextRenderer(text, declared, strict=strict)
    for _ in range(2):
        warm.render(dict.fromkeys(warm.names, "x"))
    for render in (renderer.render, warm.compiled or warm.render):
        try:
            outcomes.append(render(*arguments, **kw))
        except (ValidationError, MissingVariableError) as error:
            outcomes.append((type(error), str(error), getattr(error, "missing_variables", None)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize(
    "value", ["{{b}}", "{", "}}", '{"a": "\\n"}', r"\1 \g<0>", "$a ${a}", "%s %(a)s", "_0", ""]
)
def test_nothing_in_a_value_is_expanded(value):
    assert renderings("{{a}}-{{b}}", a=value, b="B") == f"{value}-B"


def test_literals_may_hold_anything():
    text = "_0 {{a}} _1 \" ' \\ \n \x00 {a} %s \ud800 '''{{b}}\"\"\""
    assert renderings(text, a="A", b="B") == text.replace("{{a}}", "A").replace("{{b}}", "B")


@pytest.mark.parametrize(
    "name", ["class", "self", "variables", "None", "_0", "__debug__", "1", "render", "_mapping", "str"]
)
def test_any_name_can_be_given_as_keyword_or_in_a_mapping(name):
    text = f"<{{{{{name}}}}}>"
    assert renderings(text, {name: "v"}) == "<v>"
    assert renderings(text, **{name: 5}) == "<5>"


def test_all_missing_variables_are_named_in_template_order():
    kind, message, missing = renderings("{{c}}{{a}}{{b}}{{a}}", b="x", a=None)
    assert (kind, missing) == (MissingVariableError, ("c", "a"))
    assert "c, a" in message


def test_a_keyword_wins_over_the_mapping_unless_it_is_none():
    assert renderings("{{a}}{{b}}", {"a": "1", "b": "2"}, a="3") == "32"
    assert renderings("{{a}}{{b}}", {"a": "1", "b": "2"}, a=None) == "12"


def test_unknown_variables_are_refused_with_the_closest_name():
    kind, message, _ = renderings("{{name}}", nmae="x", zzz="y")
    assert kind is ValidationError
    assert "'nmae' (did you mean 'name'?), 'zzz';" in message


def test_an_unknown_variable_is_refused_even_when_it_is_none():
    assert renderings("{{name}}", name="x", other=None)[0] is ValidationError


def test_unknown_variables_can_be_ignored():
    assert renderings("{{a}}", a="x", b=object(), strict=False) == "x"
    assert renderings("{{a}}", {"a": "x", "b": object()}, strict=False) == "x"


def test_declared_variables_that_the_text_does_not_use_may_be_given():
    assert renderings("{{a}}", a="x", b="y", declared=("a", "b")) == "x"
    assert renderings("{{a}}", a="x", declared=("a", "b")) == "x"


@pytest.mark.parametrize("variables", ["a=1", [("a", 1)], 5])
def test_variables_must_be_a_mapping(variables):
    assert renderings("{{a}}", variables)[0] is ValidationError


def test_a_key_that_is_no_string_is_an_unknown_variable():
    assert renderings("{{a}}", {"a": "x", 5: "y"})[0] is ValidationError


def test_a_subclass_of_str_comes_out_as_its_text():
    text = renderings("{{a}}", a=Tone.WARM)
    assert str.__repr__(text) == repr("warm")


def test_a_template_in_frequent_use_gets_a_function_of_its_own():
    renderer = TextRenderer("Hello, {{name}}!")
    used: list[Render | None] = []
    for _ in range(2):
        renderer.render(name="A")
        used.append(renderer.compiled)
    first, second = used
    assert first is None
    assert second is not None
    assert second(name="B") == "Hello, B!"


@pytest.mark.parametrize("text", ["no variables", "{{class}}", "".join(f"{{{{v{i}}}}}" for i in range(17))])
def test_what_cannot_be_compiled_goes_on_being_rendered(text):
    renderer = TextRenderer(text)
    values = dict.fromkeys(renderer.names, "x")
    assert len({renderer.render(values) for _ in range(4)}) == 1
    assert renderer.compiled is None
