"""A function compiled for one template, for prompt versions that are rendered often."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from scope_async.rendering.template import Template
from scope_async.rendering.variables import Variables, render_template

# Compiling takes time and memory for each place, on the event loop.
_MOST_PLACES = 128

# A name without a value, what `join` raises for a value that is not a string, a text larger than the memory.
_NOT_JOINED = (KeyError, TypeError, MemoryError, OverflowError)

_SOURCE = """
def made(_general, _not_joined):
    def render(_mapping, _given, /):
        if {accepted}:
            try:
                return "".join(({parts}))
            except _not_joined:
                pass
        return _general(_mapping, _given)
    return render
"""


class Render(Protocol):
    """A rendering of one template: the mapping of the caller, or None, and the keywords, which win."""

    def __call__(self, mapping: Mapping[str, Any] | None, keywords: dict[str, Any], /) -> str: ...


def compile_template(template: Template, variables: Variables) -> Render | None:
    """Return a function with a single `join` for keywords; None if there can be none.

    Arguments other than one string per variable take the general way: `join` itself raises for
    what is not a string. Compiling takes as long as a few hundred renderings.
    """
    literals, occurrences = template.parts[::2], template.parts[1::2]
    if not 1 <= len(occurrences) <= _MOST_PLACES:
        return None
    texts = [literals[0]]
    parts = ["'_0'"]
    for name, literal in zip(occurrences, literals[1:], strict=True):
        parts += (f"_given['_{len(texts)}']", f"'_{len(texts) + 1}'")
        texts += (name, literal)
    exact = f"_mapping is None and len(_given) == {len(template.names)}"
    source = _SOURCE.format(
        accepted=exact if variables.strict else "_mapping is None", parts=", ".join(parts)
    )
    namespace: dict[str, Any] = {}
    # Nothing of the prompt is in the source: its names and texts replace the numbered constants
    # afterwards, so that they are never read as code.
    exec(compile(source, "<scope_async template>", "exec"), namespace)  # noqa: S102 - as above
    made = namespace["made"](partial(render_template, template, variables), _NOT_JOINED)
    text_of = {f"_{index}": text for index, text in enumerate(texts)}
    made.__code__ = made.__code__.replace(
        co_consts=tuple(
            text_of.get(constant, constant) if type(constant) is str else constant
            for constant in made.__code__.co_consts
        )
    )
    render: Render = made
    return render
