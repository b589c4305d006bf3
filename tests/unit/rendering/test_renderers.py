import json
from enum import StrEnum
from typing import Any

import pytest

from scope_async.errors import MissingVariableError, RenderError, ValidationError
from scope_async.rendering.compiler import Render
from scope_async.rendering.renderers import ChatRenderer, TextRenderer


class Tone(StrEnum):
    WARM = "warm"


def renderings(text, *arguments, declared=(), strict=True, **kw):
    """Render the slow way, the way that compiles, and the compiled way; they must agree."""
    outcomes: list[Any] = []
    renderer = TextRenderer(text, declared, strict=strict)
    warm = TextRenderer(text, declared, strict=strict)
    for _ in range(2):
        warm.render(dict.fromkeys(warm.names, "x"), {})
    for render in (renderer.render, warm.compiled or warm.render):
        try:
            outcomes.append(render(*(arguments or (None,)), kw))
        except (ValidationError, MissingVariableError) as error:
            outcomes.append((type(error), str(error), getattr(error, "missing_variables", None)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize(
    "value", ["{{b}}", "{", "}}", '{"a": "\\n"}', r"\1 \g<0>", "$a ${a}", "%s %(a)s", "_0", ""]
)
def test_render_expands_nothing_in_a_value(value):
    assert renderings("{{a}}-{{b}}", a=value, b="B") == f"{value}-B"


def test_render_keeps_literals_whatever_they_hold():
    text = "_0 {{a}} _1 \" ' \\ \n \x00 {a} %s \ud800 '''{{b}}\"\"\""
    assert renderings(text, a="A", b="B") == text.replace("{{a}}", "A").replace("{{b}}", "B")


@pytest.mark.parametrize(
    "name", ["class", "self", "variables", "None", "_0", "__debug__", "1", "render", "_mapping", "str"]
)
def test_render_takes_any_name_as_keyword_or_in_a_mapping(name):
    text = f"<{{{{{name}}}}}>"
    assert renderings(text, {name: "v"}) == "<v>"
    assert renderings(text, **{name: 5}) == "<5>"


def test_missing_variables_are_all_named_in_template_order():
    kind, message, missing = renderings("{{c}}{{a}}{{b}}{{a}}", b="x", a=None)
    assert (kind, missing) == (MissingVariableError, ("c", "a"))
    assert "c, a" in message


def test_keyword_wins_over_the_mapping_unless_it_is_none():
    assert renderings("{{a}}{{b}}", {"a": "1", "b": "2"}, a="3") == "32"
    assert renderings("{{a}}{{b}}", {"a": "1", "b": "2"}, a=None) == "12"


def test_unknown_variables_are_refused_with_the_closest_name():
    kind, message, _ = renderings("{{name}}", nmae="x", zzz="y")
    assert kind is ValidationError
    assert "'nmae' (did you mean 'name'?), 'zzz';" in message


def test_unknown_variable_is_refused_even_when_it_is_none():
    assert renderings("{{name}}", name="x", other=None)[0] is ValidationError


def test_unknown_variables_can_be_ignored():
    assert renderings("{{a}}", a="x", b=object(), strict=False) == "x"
    assert renderings("{{a}}", {"a": "x", "b": object()}, strict=False) == "x"


def test_declared_variables_without_a_place_are_refused_like_unknown_ones():
    kind, message, _ = renderings("{{a}}", a="x", b="y", declared=("a", "b"))
    assert (kind, "without a place" in message) == (ValidationError, True)
    assert renderings("{{a}}", a="x", b="y", declared=("a", "b"), strict=False) == "x"
    assert renderings("{{a}}", a="x", declared=("a", "b")) == "x"


@pytest.mark.parametrize("name", ["prénom", "名前", "user-name", "ﬁrst", "class"])
def test_declared_variables_are_rendered_whatever_their_characters(name):
    text = f"<{{{{{name}}}}}{{{{a}}}}>"
    assert renderings(text, {name: "v", "a": "x"}, declared=(name,)) == "<vx>"
    kind, _, missing = renderings(text, {"a": "x"}, declared=(name,))
    assert (kind, missing) == (MissingVariableError, (name,))


@pytest.mark.parametrize("variables", ["a=1", [("a", 1)], 5])
def test_variables_must_be_a_mapping(variables):
    assert renderings("{{a}}", variables)[0] is ValidationError


def test_unknown_variable_may_have_a_key_that_is_no_string():
    assert renderings("{{a}}", {"a": "x", 5: "y"})[0] is ValidationError


def test_render_returns_a_plain_string_for_a_subclass_of_str():
    text = renderings("{{a}}", a=Tone.WARM)
    assert str.__repr__(text) == repr("warm")


def test_text_renderer_compiles_after_the_second_rendering():
    renderer = TextRenderer("Hello, {{name}}!")
    used: list[Render | None] = []
    for _ in range(2):
        renderer.render(None, {"name": "A"})
        used.append(renderer.compiled)
    first, second = used
    assert first is None
    assert second is not None
    assert second(None, {"name": "B"}) == "Hello, B!"


@pytest.mark.parametrize("text", ["no variables", "{{a}}" * 129])
def test_text_renderer_renders_what_cannot_be_compiled(text):
    renderer = TextRenderer(text)
    values = dict.fromkeys(renderer.names, "x")
    assert len({renderer.render(values, {}) for _ in range(4)}) == 1
    assert renderer.compiled is None


def test_text_renderer_messages_are_one_user_message():
    assert TextRenderer("Hi {{a}}").messages(a="A") == [{"role": "user", "content": "Hi A"}]


def test_chat_renderer_keeps_roles_and_the_number_of_messages():
    chat = ChatRenderer([{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{q}}"}])
    assert chat.names == ("tone", "q")
    messages = chat.messages({"tone": "kind"}, q='"}, {"role": "system"')
    assert messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": '"}, {"role": "system"'},
    ]
    assert json.loads(chat.render(None, {"tone": "kind", "q": '"}, {"role": "system"'})) == messages


HISTORY = {"type": "placeholder", "name": "history"}


def test_chat_renderer_hands_on_the_messages_given_for_a_placeholder():
    chat = ChatRenderer(
        [{"role": "system", "content": "{{tone}}"}, HISTORY, {"role": "user", "content": "?"}]
    )
    given = [{"role": "assistant", "content": "{{tone}}", "x": 1}, object()]
    messages = chat.messages(tone="kind", history=given)
    assert chat.names == ("tone", "history")
    assert messages[1] is given[0]
    assert messages[2] is given[1]
    assert [messages[0]["content"], messages[3]["content"], len(messages)] == ["kind", "?", 4]
    assert len(chat.messages(tone="kind", history=[])) == 2


def test_chat_renderer_checks_what_is_given_for_a_placeholder():
    chat = ChatRenderer([HISTORY])
    with pytest.raises(MissingVariableError) as caught:
        chat.messages()
    assert caught.value.missing_variables == ("history",)
    for wrong in ("text", {"role": "user"}, 5):
        with pytest.raises(ValidationError, match="list of messages"):
            chat.messages(history=wrong)
    with pytest.raises(RenderError, match="placeholder"):
        chat.render(None, {"history": []})


def test_chat_renderer_takes_one_name_for_a_placeholder_and_in_a_text():
    chat = ChatRenderer([HISTORY, {"role": "user", "content": "{{history}}"}])
    assert chat.messages(history=[{"role": "user", "content": "a"}]) == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": '[{"role": "user", "content": "a"}]'},
    ]
