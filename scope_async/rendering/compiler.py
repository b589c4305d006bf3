"""A function compiled for one template, for prompt versions that are rendered often."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from keyword import iskeyword
from typing import Any, Protocol

from scope_async.rendering.template import Template
from scope_async.rendering.variables import Variables, render_template

# With more, the interpreter's search for each keyword costs more than the function saves.
_MOST_NAMES = 16
# Compiling takes time and memory for each place, on the event loop.
_MOST_PLACES = 64

# What `join` raises for a value that is not a string, and for a text larger than the memory.
_NOT_JOINED = (TypeError, MemoryError, OverflowError)

_SOURCE = """
def made(_general, _not_joined):
    def render(_mapping=None, /, *, {parameters}, **_other):
        if {accepted}:
            try:
                return "".join(({parts}))
            except _not_joined:
                pass
        elif {nothing}:
            return _general(_mapping, _other)
        return _general(_mapping, {{{given}, **_other}})
    return render
"""


class Render(Protocol):
    """`render(mapping)` or `render(**variables)`, or both; a keyword wins."""

    def __call__(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> str: ...


def compiled(template: Template, variables: Variables) -> Render | None:
    """Return a function with a parameter per variable and a single `join`; None if there can be none.

    Arguments other than one string per variable take the general way: `join` itself raises for
    what is not a string. Compiling takes as long as a few hundred renderings.
    """
    names = template.names
    if not 1 <= len(names) <= _MOST_NAMES or not all(map(_is_parameter, names)):
        return None
    literals, occurrences = template.parts[::2], template.parts[1::2]
    if len(occurrences) > _MOST_PLACES:
        return None
    # A placeholder cannot be mistaken for a variable, whose name does not start with `_`.
    placeholders = [f"_{index}" for index in range(len(literals))]
    parts = [f"{placeholders[0]!r}"]
    for placeholder, name in zip(placeholders[1:], occurrences, strict=True):
        parts += (name, f"{placeholder!r}")
    source = _SOURCE.format(
        parameters=", ".join(f"{name}=None" for name in names),
        accepted="_mapping is None and not _other" if variables.strict else "_mapping is None",
        nothing="".join(f"{name} is " for name in names) + "None",
        parts=", ".join(parts),
        given=", ".join(f"{name!r}: {name}" for name in names),
    )
    namespace: dict[str, Any] = {}
    # Only identifiers enter the source; the prompt's text replaces the placeholders afterwards,
    # so that it is never read as code.
    exec(compile(source, "<scope_async template>", "exec"), namespace)  # noqa: S102 - as above
    # A variable may be called `TypeError`, so the function knows the errors by another name.
    made = namespace["made"](partial(render_template, template, variables), _NOT_JOINED)
    text_of = dict(zip(placeholders, literals, strict=True))
    constants = tuple(
        text_of.get(constant, constant) if type(constant) is str else constant
        for constant in made.__code__.co_consts
    )
    made.__code__ = made.__code__.replace(co_consts=constants)
    render: Render = made
    return render


def _is_parameter(name: str) -> bool:
    # Python normalizes other identifiers in source, and would take another name for the parameter.
    return name.isascii() and name.isidentifier() and not iskeyword(name) and not name.startswith("_")
