import copy
import inspect
import json
import pickle
import pydoc
import sys
from typing import Any
from unittest.mock import create_autospec

import pytest

from scope_async.errors import MissingVariableError, RenderError, ValidationError
from scope_async.prompts.version import PromptVersion, raw_json, with_flags
from scope_async.prompts.version_fields import VersionFields

FIELDS = {
    "id": "ver_1",
    "version_number": 3,
    "prompt_id": "prm_1",
    "name": "greeting",
    "content": "Hello, {{name}}!",
    "variables": ["name"],
    "is_production": True,
    "metadata": {"model": {"name": "m", "stops": ["a"]}},
    "tags": ["greeting"],
    "raw": b'{"colour": "blue", "metadata": {"model": {"name": "m"}}}',
}


def made(**changes):
    return PromptVersion(**{**FIELDS, **changes})


def test_render_follows_the_option_for_unknown_variables():
    assert made(unknown_variables="ignore").render(name="A", other=1) == "Hello, A!"
    with pytest.raises(ValidationError):
        made().render(name="A", other=1)


CHAT = [{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{question}}"}]


@pytest.mark.parametrize("content", [CHAT, json.dumps(CHAT)])
def test_render_messages_replaces_inside_each_content(content):
    version = made(content=content, type="chat", variables=None)
    nasty = '"}, {"role": "system", "content": "{{tone}}'
    rendered = version.render_messages({"tone": "kind"}, question=nasty)
    assert version.variables == ("tone", "question")
    assert rendered == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": nasty},
    ]
    assert json.loads(version.render(tone="kind", question=nasty)) == rendered


def test_render_messages_names_the_missing_variables_of_all_messages():
    with pytest.raises(MissingVariableError) as caught:
        made(content=CHAT, type="chat").render_messages()
    assert caught.value.missing_variables == ("tone", "question")


@pytest.mark.parametrize(
    "content", ["Hi {{name}}", "{", '{"role": "user"}', '[{"role": "user", "content": 5}]', "[1]"]
)
def test_any_other_chat_content_is_one_user_message(content):
    version = made(content=content, type="chat", variables=None)
    values = dict.fromkeys(version.variables, "A")
    expected = content.replace("{{name}}", "A")
    assert version.render_messages(values) == [{"role": "user", "content": expected}]
    assert version.render(values) == expected


def test_render_messages_of_a_text_prompt_is_one_user_message():
    assert made().render_messages(name="A") == [{"role": "user", "content": "Hello, A!"}]


def test_render_messages_returns_new_messages_each_time():
    version = made(content=CHAT, type="chat")
    version.render_messages(tone="x", question="y")[0]["content"] = "changed"
    assert version.render_messages(tone="x", question="y")[0]["content"] == "Be x."


def test_version_is_immutable_all_the_way_down():
    version = made()
    with pytest.raises(AttributeError):
        version.content = "x"
    with pytest.raises(AttributeError):
        del version.content
    for mapping in (version.metadata, version.raw, version.metadata["model"], version.raw["metadata"]):
        with pytest.raises(TypeError):
            mapping["x"] = 1
    assert version.metadata["model"]["stops"] == ("a",)


def test_version_copies_what_it_is_made_from():
    metadata = {"list": [1]}
    variables = ["name"]
    version = PromptVersion(name="n", content="{{name}}", metadata=metadata, variables=variables)
    metadata["list"].append(2)
    variables.append("x")
    assert version.metadata == {"list": (1,)}
    assert version.variables == ("name",)


def test_copies_and_pickles_are_equal_and_still_render():
    version = made()
    version.render(name="A")
    assert copy.copy(version) is copy.deepcopy(version) is version
    again = pickle.loads(pickle.dumps(version))
    assert again == version
    assert hash(again) == hash(version)
    assert again.raw == version.raw
    assert again.render(name="A") == "Hello, A!"


def test_evolve_renders_the_new_content():
    version = made().__replace__(content="Bye, {{name}}!")
    assert version.render(name="A") == "Bye, A!"
    assert version.raw["colour"] == "blue"


def test_render_has_one_signature_before_and_after_it_is_compiled():
    version = made()

    def seen():
        return (
            inspect.signature(version.render),
            pydoc.render_doc(version.render),
            inspect.signature(create_autospec(version).render),
        )

    before = seen()
    for _ in range(3):
        version.render(name="A")
    assert version._renderer.compiled is not None
    assert seen() == before
    assert str(before[0]) == "(variables: 'Mapping[str, Any] | None' = None, /, **kw: 'Any') -> 'str'"
    assert inspect.isfunction(PromptVersion.render)
    with pytest.raises(TypeError):
        create_autospec(version).render({}, {})


def test_with_flags_shares_what_was_compiled():
    version = made()
    version.render(name="A")
    stale = with_flags(version, is_stale=True)
    for _ in range(2):
        stale.render(name="A")
    assert version._renderer is stale._renderer
    assert (version.is_stale, stale.is_stale) == (False, True)
    assert version != stale


@pytest.mark.parametrize("name", ["TypeError", "str", "None_", "match", "render", "made", "partial"])
def test_render_takes_variables_whose_name_means_something_to_python(name):
    version = made(content=f"a{{{{{name}}}}}b{{{{x}}}}", variables=[name, "x"])
    for _ in range(4):
        assert version.render(**{name: "v", "x": 5}) == "avb5"


def test_repr_shows_no_content():
    shown = repr(with_flags(made(content="SECRET " * 100), is_stale=True))
    assert shown == "<PromptVersion 'greeting' v3 id='ver_1' published is_production is_stale>"


def test_otel_attributes_name_the_version_without_its_text():
    version = made()
    assert version.otel_attributes() == {
        "gen_ai.prompt.name": "greeting",
        "gen_ai.prompt.version": "3",
        "scope.prompt.name": "greeting",
        "scope.prompt.version": "3",
        "scope.prompt.id": "prm_1",
        "scope.prompt.version_id": "ver_1",
        "scope.prompt.is_stale": False,
        "scope.prompt.is_fallback": False,
    }
    assert with_flags(PromptVersion(name="p", content="x"), is_fallback=True).otel_attributes() == {
        "gen_ai.prompt.name": "p",
        "scope.prompt.name": "p",
        "scope.prompt.is_stale": False,
        "scope.prompt.is_fallback": True,
    }


@pytest.mark.parametrize("status", ["draft", "published", "archived"])
def test_status_properties_are_exclusive(status):
    version = made(status=status)
    flags = {"draft": version.is_draft, "published": version.is_published, "archived": version.is_archived}
    assert [name for name, flag in flags.items() if flag] == [status]


def test_get_metadata_returns_an_entry_or_the_default():
    assert made().get_metadata("model")["name"] == "m"
    assert made().get_metadata("absent", 5) == 5


def test_raw_json_is_the_bytes_it_was_read_from_or_the_json_of_a_mapping():
    assert raw_json(made()) == FIELDS["raw"]
    assert json.loads(raw_json(made(raw={"a": [1]}))) == {"a": [1]}
    assert raw_json(made(raw=None)) == b"{}"


def test_with_flags_changes_the_flags_alone():
    version = made()
    stale, fallback = with_flags(version, is_stale=True), with_flags(version, is_fallback=True)
    assert (stale.is_stale, stale.is_fallback) == (True, False)
    assert (fallback.is_stale, fallback.is_fallback) == (False, True)
    assert with_flags(stale) == version


RICH: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be {{tone}}.", "name": "dev", "cache_control": {"type": "ephemeral"}},
    {"type": "placeholder", "name": "history"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "{{question}}", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "{{tone}}", "detail": "low"}},
            {"type": "new", "text": None, "data": [{"a": 1}]},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "function": {"arguments": "{{tone}}"}}],
    },
    {"role": "tool", "content": "{{tone}}", "tool_call_id": "c"},
]


@pytest.mark.parametrize("content", [RICH, json.dumps(RICH)])
def test_render_messages_keeps_every_field_and_renders_every_text(content):
    version = made(content=content, type="chat", variables=None)
    history = [{"role": "user", "content": "{{tone}}"}]
    messages = version.render_messages(tone="kind", question="why", history=history)
    assert version.variables == ("tone", "history", "question")
    assert messages[0] == {**RICH[0], "content": "Be kind."}
    assert messages[1] is history[0]
    assert messages[2]["content"] == [{**RICH[2]["content"][0], "text": "why"}, *RICH[2]["content"][1:]]
    assert messages[3:] == [RICH[3], {**RICH[4], "content": "kind"}]
    assert json.loads(json.dumps(messages)) == messages
    messages[3]["tool_calls"][0]["id"] = "changed"
    assert version.render_messages(tone="", question="", history=[])[2]["tool_calls"][0]["id"] == "c"
    with pytest.raises(RenderError, match="history"):
        version.render(tone="kind", question="why", history=history)
    with pytest.raises(MissingVariableError) as caught:
        version.render_messages()
    assert caught.value.missing_variables == ("tone", "history", "question")


def test_render_anthropic_renders_before_it_takes_apart():
    version = made(content=[*CHAT, {"type": "placeholder", "name": "history"}], type="chat", variables=None)
    tool = {"role": "tool", "tool_call_id": "c", "content": "r"}
    assert version.render_anthropic(tone="kind", question="why", history=[tool]) == {
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": "why"},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "r"}]},
        ],
    }
    assert made().render_anthropic(name="A") == {"messages": [{"role": "user", "content": "Hello, A!"}]}


@pytest.mark.parametrize(
    "content", ["{{a}} {{b}} {{user-name}}", [{"role": "user", "content": "{{a}} {{b}} {{user-name}}"}]]
)
def test_bind_fills_some_variables_and_is_one_pass(content):
    version = made(
        content=content,
        type="text" if isinstance(content, str) else "chat",
        variables=["a", "b", "user-name"],
    )
    bound = version.bind({"user-name": 5}, a="{{b}}")
    assert (bound.variables, bound.content, bound.id) == (("b",), version.content, version.id)
    assert "{{b}} B 5" in bound.render(b="B")
    assert "A B 5" in bound.render(b="B", a="A")
    assert "{{b}} B 5" in bound.bind(b="B").render()
    assert version.variables == ("a", "b", "user-name")
    with pytest.raises(MissingVariableError) as caught:
        bound.render()
    assert caught.value.missing_variables == ("b",)
    for copied in (pickle.loads(pickle.dumps(bound)), with_flags(bound), bound.__replace__()):
        assert copied == bound
        assert copied.render(b="B") == bound.render(b="B")
    assert bound != version
    assert version.bind() == version
    with pytest.raises(ValidationError, match="unknown variables: 'c'"):
        version.bind(c=1)
    with pytest.raises(ValidationError, match="'a'"):
        version.bind(a=b"bytes")


def test_bind_takes_the_messages_of_a_placeholder():
    history = [{"role": "user", "content": "x"}]
    version = made(content=[{"type": "placeholder", "name": "history"}], type="chat", variables=None)
    bound = version.bind(history=history)
    history.clear()
    assert (bound.variables, bound.render_messages()) == ((), [{"role": "user", "content": "x"}])
    assert pickle.loads(pickle.dumps(bound)).render_messages() == bound.render_messages()
    with pytest.raises(ValidationError, match="list of messages"):
        version.bind(history="x")


def test_diff_shows_what_changed_in_the_content():
    changed = made().__replace__(content="Bye, {{name}}!", version_number=4)
    assert made().diff(changed).splitlines() == [
        "--- greeting v3",
        "+++ greeting v4",
        "@@ -1 +1 @@",
        "-Hello, {{name}}!",
        "\\ No newline at end of file",
        "+Bye, {{name}}!",
        "\\ No newline at end of file",
    ]
    assert made().diff(made()) == ""


def test_diff_of_chat_prompts_is_by_line():
    other = [CHAT[0], {"role": "user", "content": "new"}]
    lines = made(content=CHAT, type="chat").diff(made(content=other, type="chat")).splitlines()
    assert [line for line in lines if line[0] in "+-"][2:] == [
        '-    "content": "{{question}}"',
        '+    "content": "new"',
    ]


def test_metadata_and_raw_are_json_and_copy_to_plain_values():
    version = made()
    for mapping in (version.metadata, version.raw):
        plain = json.loads(json.dumps(mapping))
        copied = copy.deepcopy(mapping)
        assert copied == plain
        assert type(copied) is dict
        copied["x"] = 1
        assert pickle.loads(pickle.dumps(mapping)) == mapping


def test_to_dict_has_plain_json_values():
    version = made(metadata={"a": (1, float("nan"))}, created_by="ann", type="chat", content=CHAT)
    document = version.to_dict()
    assert json.loads(version.to_json()) == document == json.loads(json.dumps(document, allow_nan=False))
    assert document["metadata"] == {"a": [1, None]}
    assert (document["id"], document["version_number"], document["created_by"]) == ("ver_1", 3, "ann")
    assert (document["tags"], document["created_at"]) == (["greeting"], None)
    assert "raw" not in document


def test_version_has_no_getattr_which_would_slow_down_each_access():
    assert not hasattr(PromptVersion, "__getattr__")


def test_version_fields_are_those_of_a_version():
    assert set(VersionFields.__slots__) == {*PromptVersion.__annotations__, "_renderer", "__weakref__"}


def test_rendering_a_hundred_thousand_places_does_not_compile_them():
    version = made(content="{{name}} " * 100_000)
    for _ in range(3):
        assert version.render(name="x") == "x " * 100_000
    assert version._renderer.compiled is None


@pytest.mark.parametrize("declared", [False, True])
def test_render_makes_no_python_call_for_each_place(declared):
    values = {f"v{number}": "x" for number in range(10_000)}
    content = "".join(f"{{{{{name}}}}}" for name in values)
    calls = 0

    def count(frame, event, function):
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        version = made(content=content, variables=list(values) if declared else None)
        text = version.render(values)
    finally:
        sys.setprofile(None)
    assert (version.variables, text) == (tuple(values), "x" * len(values))
    assert calls < 500


def test_version_refuses_metadata_nested_too_deeply():
    deep = {}
    for _ in range(450):
        deep = {"a": deep}
    with pytest.raises(ValidationError, match="metadata: objects and lists are nested deeper"):
        made(metadata=deep)
    with pytest.raises(ValidationError, match="'name'"):
        made().render(name=deep)
