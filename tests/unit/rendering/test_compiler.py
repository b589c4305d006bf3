from collections.abc import Callable

import pytest

from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.compiler import compile_template
from scope_async.rendering.template import Template
from scope_async.rendering.variables import Variables


def function_of(text: str, *, strict: bool = True) -> Callable[..., str]:
    template = Template(text)
    render = compile_template(template, Variables(template.names, strict=strict))
    assert render is not None
    return lambda mapping=None, /, **keywords: render(mapping, keywords)


@pytest.mark.parametrize(
    "text",
    ["plain", "", "{ {a}}", "{{a}}" * 129, "".join(f"{{{{v{i}}}}}" for i in range(129))],
)
def test_compiled_is_none_where_no_function_is_possible(text):
    template = Template(text)
    assert compile_template(template, Variables(template.names)) is None


def test_compiled_takes_keywords_or_a_mapping():
    render = function_of("{{a}}-{{b}}-{{a}}")
    assert render(a="1", b="2") == render({"a": "1", "b": "2"}) == render({"a": "1"}, b="2") == "1-2-1"


@pytest.mark.parametrize("name", ["class", "_x", "_1", "1", "prénom", "a-b", "x'] + exit() + ['"])
def test_compiled_takes_any_name(name):
    template = Template(f"<{{{{{name}}}}}>", [name])
    render = compile_template(template, Variables(template.names))
    assert render is not None
    assert render(None, {name: "v"}) == render({name: "v"}, {}) == "<v>"


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
