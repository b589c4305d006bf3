import pytest

from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.compiler import Render, compiled
from scope_async.rendering.template import Template
from scope_async.rendering.variables import Variables


def function_of(text: str, *, strict: bool = True) -> Render:
    template = Template(text)
    render = compiled(template, Variables(template.names, strict=strict))
    assert render is not None
    return render


@pytest.mark.parametrize(
    "text",
    ["plain", "{{class}}", "{{_x}}", "{{1}}", "".join(f"{{{{v{i}}}}}" for i in range(17)), "{{a}}" * 65],
)
def test_compiled_is_none_where_no_function_is_possible(text):
    template = Template(text)
    assert compiled(template, Variables(template.names)) is None


def test_compiled_takes_keywords_or_a_mapping():
    render = function_of("{{a}}-{{b}}-{{a}}")
    assert render(a="1", b="2") == render({"a": "1", "b": "2"}) == render({"a": "1"}, b="2") == "1-2-1"


def test_compiled_converts_values_that_are_no_strings():
    assert function_of("{{a}}{{b}}")(a=1, b=[True]) == "1[true]"


def test_compiled_checks_variables_as_the_template_does():
    render = function_of("{{a}}{{b}}")
    with pytest.raises(MissingVariableError, match="no value for: b"):
        render(a="1")
    with pytest.raises(MissingVariableError, match="no value for: a, b"):
        render()
    with pytest.raises(ValidationError, match="unknown variables: 'c'"):
        render(a="1", b="2", c="3")
    assert function_of("{{a}}", strict=False)(a="1", c="3") == "1"


@pytest.mark.parametrize("literal", ["_0", "_1", "' + exit() + '", '"""', "\\", "\n", "{{ a }}", "{a}"])
def test_compiled_never_reads_the_prompts_text_as_code(literal):
    assert function_of(literal + "{{a}}" + literal)(a="x") == f"{literal}x{literal}"
