import json
import re

from hypothesis import given
from hypothesis import strategies as st

from scope_async.rendering.renderers import ChatRenderer, TextRenderer

names = st.from_regex(r"[A-Za-z0-9_]{1,6}", fullmatch=True)
texts = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["{{", "}}", "{{a}}", "{", "}", r"\1", "_0", "%s", "'", '"']
)
pieces = st.lists(st.tuples(texts, names), max_size=8)


def expected(text, values):
    return re.sub(r"\{\{([A-Za-z0-9_]+)\}\}", lambda match: values[match[1]], text)


@given(pieces, texts, st.data())
def test_render_is_one_pass_of_substitution(pieces, end, data):
    text = "".join(f"{literal}{{{{{name}}}}}" for literal, name in pieces) + end
    renderer = TextRenderer(text)
    values = {name: data.draw(texts, name) for name in renderer.names}
    for _ in range(2):
        assert renderer.render(values, {}) == expected(text, values)
    assert (renderer.compiled or renderer.render)(None, values) == expected(text, values)


@given(texts, st.dictionaries(names, texts))
def test_render_leaves_text_without_variables_alone(text, values):
    renderer = TextRenderer(text, strict=False)
    if not renderer.names:
        assert renderer.render(values, {}) == text


@given(st.lists(st.tuples(texts, texts), max_size=5), st.data())
def test_render_keeps_the_structure_of_a_chat_for_any_value(messages, data):
    renderer = ChatRenderer([{"role": role, "content": content} for role, content in messages])
    values = {name: data.draw(texts, name) for name in renderer.names}
    rendered = renderer.messages(values)
    assert [message["role"] for message in rendered] == [role for role, _ in messages]
    assert [message["content"] for message in rendered] == [expected(text, values) for _, text in messages]
    assert json.loads(renderer.render(values, {})) == rendered
