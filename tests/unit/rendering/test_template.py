import pytest

from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.template import Template, Variables, render_template


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
def test_template_knows_the_contracts_syntax_and_no_other(text, parts):
    assert Template(text).parts == parts


def test_template_names_are_unique_and_in_order_of_appearance():
    assert Template("{{b}}{{a}}{{b}}").names == ("b", "a")


@pytest.mark.parametrize(
    ("text", "filled"), [("plain", "plain"), ("<{{a}}>", "<A>"), ("{{a}}{{b}}{{a}}", "A{{a}}A")]
)
def test_fill_replaces_every_variable_once(text, filled):
    assert Template(text).fill({"a": "A", "b": "{{a}}"}) == filled


def test_fill_raises_for_a_missing_text_and_for_what_is_no_string():
    with pytest.raises(KeyError):
        Template("{{a}}").fill({})
    with pytest.raises(TypeError):
        Template("{{a}}").fill({"a": 5})  # type: ignore[dict-item]


def test_bind_returns_the_texts_of_the_required_variables():
    variables = Variables(("a", "b"), ("declared",))
    assert variables.bind({"a": 1, "declared": object()}, {"b": "B"}) == {"a": "1", "b": "B"}


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
