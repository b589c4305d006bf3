import pytest

from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.template import Template
from scope_async.rendering.variables import Variables, render_template

COMPOSED, DECOMPOSED = "pr\u00e9nom", "pre\u0301nom"


def test_bind_returns_the_texts_of_the_required_variables():
    assert Variables(("a", "b")).bind({"a": 1}, {"b": "B"}) == {"a": "1", "b": "B"}


def test_bind_names_all_missing_variables():
    with pytest.raises(MissingVariableError) as caught:
        Variables(("a", "b", "c")).bind({"b": None}, {"c": "C"})
    assert caught.value.missing_variables == ("a", "b")


def test_bind_refuses_unknown_variables_when_strict():
    with pytest.raises(ValidationError, match="the prompt takes none"):
        Variables(()).bind(None, {"x": "X"})
    assert Variables((), strict=False).bind(None, {"x": "X"}) == {}


@pytest.mark.parametrize(
    ("mapping", "keywords"),
    [(None, {"a": "A"}), ({"a": "A"}, {}), ({"a": "x"}, {"a": "A"}), ({"a": "A"}, {"a": None})],
)
def test_render_template_takes_a_mapping_keywords_or_both(mapping, keywords):
    template = Template("<{{a}}>")
    assert render_template(template, Variables(template.names), mapping, keywords) == "<A>"


@pytest.mark.parametrize("given", [COMPOSED, DECOMPOSED])
def test_bind_takes_a_name_in_both_unicode_spellings(given):
    assert Variables((COMPOSED,)).bind({given: "x"}, {}) == {COMPOSED: "x"}


@pytest.mark.parametrize("text", ["{{ name }}", "{{name }}", "{{\tname}}", "{{a}} {{  name}}"])
def test_bind_says_that_a_name_is_written_with_blanks(text):
    variables = Variables(("a",), literals=lambda: Template(text).parts[::2])
    with pytest.raises(ValidationError, match=r"'name' \(written with blanks, {{ name }}.*write {{name}}"):
        variables.bind({"a": "A", "name": "x"}, {})


def test_bind_refuses_a_declared_name_without_a_place():
    with pytest.raises(ValidationError, match=r"'b' \(declared, but without a place"):
        Variables(("a",), ("a", "b")).bind({"a": "A", "b": "B"}, {})
    assert Variables(("a",), ("a", "b"), strict=False).bind({"a": "A", "b": "B"}, {}) == {"a": "A"}


def test_bind_prefers_given_values_to_those_bound_beforehand():
    variables = Variables(("a", "b"), bound={"a": "bound", "b": "bound"})
    assert variables.bind({"a": "A", "b": None}, {}) == {"a": "A", "b": "bound"}


@pytest.mark.parametrize("length", [10, 1000, 200_000])
def test_bind_compares_and_lists_a_bounded_number_of_names(length):
    known = tuple(f"known_{number}" for number in range(20_000))
    given = {f"{'x' * length}{number}": "" for number in range(2_000 if length < 1000 else 20)}
    with pytest.raises(ValidationError, match="and 19990 more") as caught:
        Variables(known).bind(given, {})
    assert len(str(caught.value)) < 3000
    with pytest.raises(MissingVariableError) as missing:
        Variables(known).bind({}, {})
    assert len(str(missing.value)) < 3000
    assert missing.value.missing_variables == known


@pytest.mark.parametrize("name", ["\U0001f600" * 100_000, "\ud800" * 100, "\x00" * 500, 5, ("a", ["b"][0])])
def test_bind_shows_a_bounded_part_of_any_name(name):
    with pytest.raises(ValidationError) as caught:
        Variables(("a",) * 3).bind({"a": "", name: ""}, {})
    assert len(str(caught.value)) < 3000
