import pytest

from scope_async.errors import RenderError
from scope_async.rendering.template import Template, canonical_name, declared_names


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


COMPOSED, DECOMPOSED = "pr\u00e9nom", "pre\u0301nom"


@pytest.mark.parametrize(
    "name", ["user-name", "名前", "a b", " x ", "a.b", "x(", "[0]", "😀", "a\nb", "a{b", "{x}"]
)
def test_declared_name_is_a_variable_whatever_its_characters(name):
    template = Template(f"<{{{{{name}}}}}> {{{{a}}}} {{{{b c}}}}", declared_names([name]))
    assert template.names == (name, "a")
    assert template.fill({name: "V", "a": "A"}) == "<V> A {{b c}}"


@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("declared", [COMPOSED, DECOMPOSED])
def test_declared_name_is_one_name_in_both_unicode_spellings(written, declared):
    template = Template(f"{{{{{written}}}}}", declared_names([declared]))
    assert template.names == (COMPOSED,)
    assert canonical_name(DECOMPOSED) == COMPOSED


def test_declared_names_are_those_that_the_plain_syntax_lacks():
    assert declared_names(["name", "user_1", "user-name", ""]) == {"user-name"}


def test_fill_raises_a_render_error_for_a_text_larger_than_the_memory():
    class Large(str):
        """Shown by one sign: the guard that looks for secrets shows the locals of every error."""

        __slots__ = ()

        def __repr__(self) -> str:
            return "…"

    places = 2**20
    template = Template("")
    template.parts, template._occurrences = ["", "a"] * places, ["a"] * places
    with pytest.raises(RenderError, match="memory"):
        template.fill({"a": Large("x" * 2**26)})
