import json
from datetime import UTC, datetime

import pytest

from scope_async.errors import NotFoundError, ScopeError, ServerError
from scope_async.http.failures import UNREADABLE, is_transient, is_unavailable
from scope_async.http.messages import Reply
from scope_async.prompts.decoding import read_prompt_version

DOCUMENT = {
    "version_id": "ver_1",
    "version": 3,
    "prompt_id": "prm_1",
    "name": "greeting",
    "content": "Hello, {{name}}!",
    "variables": ["name"],
    "status": "published",
    "is_production": True,
    "prompt_type": "text",
    "metadata": {"model": {"name": "m", "stops": ["a"]}},
    "tags": ["greeting"],
    "created_at": "2024-05-01T10:00:00Z",
    "updated_at": "2024-05-01T12:00:00+02:00",
    "promoted_at": "2024-05-01T10:00:00",
    "promoted_by": "alice",
    "colour": "blue",
}


def read(document=None, *, without=(), http_status=200, unknown_variables="error", **changes):
    if document is None:
        document = {key: value for key, value in {**DOCUMENT, **changes}.items() if key not in without}
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    reply = Reply(status=http_status, headers={"X-Request-ID": "req-1"}, body=body)
    return read_prompt_version(reply, name="asked", unknown_variables=unknown_variables)


def test_read_prompt_version_reads_every_documented_field():
    version = read()
    at_ten = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert (version.id, version.prompt_id, version.name, version.version_number) == (
        "ver_1",
        "prm_1",
        "greeting",
        3,
    )
    assert (version.content, version.variables, version.type) == ("Hello, {{name}}!", ("name",), "text")
    assert (version.status, version.is_production) == ("published", True)
    assert (version.is_published, version.is_draft, version.is_archived) == (True, False, False)
    assert version.created_at == version.updated_at == version.promoted_at == at_ten
    assert version.promoted_at is not None
    assert version.promoted_at.tzinfo is not None
    assert (version.promoted_by, version.tags) == ("alice", ("greeting",))
    assert version.get_metadata("model")["name"] == "m"
    assert version.get_metadata("absent", 5) == 5
    assert version.raw["colour"] == "blue"
    assert (version.is_stale, version.is_fallback) == (False, False)


def test_read_prompt_version_reads_the_other_spelling():
    version = read(without=("version_id", "version"), id="ver_2", version_number=4)
    assert (version.id, version.version_number) == ("ver_2", 4)


def test_optional_field_that_is_absent_or_null_has_a_default():
    optional = [key for key in DOCUMENT if key not in ("version_id", "version", "content", "status")]
    absent = read(without=optional)
    null = read(**dict.fromkeys(optional))
    assert absent == null
    assert (absent.name, absent.variables, absent.metadata, absent.tags) == ("asked", ("name",), {}, ())
    assert (absent.type, absent.is_production, absent.created_at) == ("text", False, None)


@pytest.mark.parametrize("field", ["version_id", "version", "content", "status"])
def test_missing_field_is_a_broken_reply_that_is_asked_for_again(field):
    with pytest.raises(ServerError, match=field) as caught:
        read(without=(field,))
    assert (caught.value.http_status, caught.value.request_id) == (200, "req-1")
    assert is_transient(caught.value)


def test_an_error_in_a_success_is_told():
    reply = Reply(200, {}, b'{"code": "quota", "message": "The quota is used up"}')
    with pytest.raises(ServerError, match="no version_id and no id, and says: The quota is used up"):
        read_prompt_version(reply, name="asked", unknown_variables="error")


@pytest.mark.parametrize("status", ["draft", "live", "", "RETIRED"])
@pytest.mark.parametrize("prompt_type", ["text", "image", "", None])
def test_unknown_status_or_type_is_kept(status, prompt_type):
    version = read(status=status, prompt_type=prompt_type)
    assert (version.status, version.type) == (status, prompt_type or "text")
    assert version.render(name="A") == "Hello, A!"
    assert not version.is_published


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version_id", 5),
        ("version", "3"),
        ("version", True),
        ("name", 1),
        ("content", 5),
        ("content", None),
        ("content", {"a": 1}),
        ("status", ["published"]),
        ("variables", "name"),
        ("variables", [1]),
        ("is_production", "yes"),
        ("is_production", 1),
        ("metadata", [1]),
        ("tags", "a"),
        ("created_at", 5),
        ("updated_at", "yesterday"),
        ("promoted_by", 5),
    ],
)
def test_field_of_the_wrong_type_is_raised_at_once_and_named(field, value):
    with pytest.raises(ServerError, match=field) as caught:
        read(**{field: value})
    if (field, value) != ("content", None):
        assert caught.value.error_code == UNREADABLE
        assert not is_transient(caught.value)
        assert is_unavailable(caught.value), "a copy may stand in, with a log line that names the field"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": "x"}', b"\xff", b"[" * 100_000])
def test_body_that_is_no_prompt_version_is_a_server_error(body):
    with pytest.raises(ServerError):
        read(body)


def test_error_reply_raises_its_error():
    with pytest.raises(NotFoundError, match="gone"):
        read({"code": "prompt_not_found", "message": "gone"}, http_status=404)


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "\ud800 {{name}}"},
        {"metadata": {"nan": float("nan"), "inf": [float("inf")]}},
        {"colour": "\udfff", "created_at": "2024-05-01T10:00:00"},
        {"\ud800": "a name that UTF-8 has no bytes for", "metadata": {"\ud800": 1}},
        {
            "created_at": "2024-05-01",
            "updated_at": "20240501T100000Z",
            "promoted_at": "2024-05-01 10:00:00.123456789Z",
        },
    ],
)
def test_document_that_json_reads_and_msgspec_does_not_is_read(changes):
    version = read(**changes)
    assert version.content == changes.get("content", DOCUMENT["content"])
    assert version.created_at is not None
    assert version.created_at.tzinfo is not None
    assert json.loads(version.to_json())["name"] == "greeting"
    assert version.raw["name"] == "greeting"


def test_typed_document_and_an_odd_one_give_the_same_version():
    typed = read()
    odd = read(odd="\ud800")
    assert typed == odd
    assert hash(typed) == hash(odd)
    assert type(typed) is type(odd)


def test_byte_order_mark_is_tolerated():
    assert read(b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode()) == read()


def deep(depth, inner="1"):
    return '{"a":[' * depth + inner + "]}" * depth


@pytest.mark.parametrize("depth", [3, 60, 65, 225, 450, 2_000, 100_000])
@pytest.mark.parametrize("field", ["metadata", "unknown", "content", "tags"])
def test_document_of_any_depth_gives_a_version_or_a_scope_error(depth, field):
    value = f'[{{"role": "user", "content": [{deep(depth)}]}}]' if field == "content" else deep(depth)
    body = json.dumps({**DOCUMENT, "prompt_type": "chat", field: "@"}).replace('"@"', value).encode()
    try:
        version = read(body, unknown_variables="ignore")
        _ = version.metadata, version.raw, version.render(name="A"), version.render_messages(name="A")
        json.loads(version.to_json())
    except ScopeError:
        assert depth > 3 or field == "tags"
    else:
        assert depth < 65


@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "-" + "9" * 5000, "1e999", "1e-999"])
@pytest.mark.parametrize("field", ["metadata", "unknown", "version"])
def test_number_of_any_size_gives_a_version_or_a_scope_error(number, field):
    value = f'{{"n": {number}}}' if field != "version" else number
    body = json.dumps({**DOCUMENT, field: "@"}).replace('"@"', value).encode()
    try:
        version = read(body)
        _ = version.raw, version.render(name="A"), version.otel_attributes(), repr(version)
        json.loads(version.to_json())
    except ScopeError:
        pass


@pytest.mark.parametrize("body", [b'{"x": "\xff"}', b'{"x": "\\uZZZZ"}', b'{"x": "\\q"}', b'{"x": 01}'])
def test_unknown_field_that_is_no_json_is_a_broken_reply(body):
    with pytest.raises(ServerError) as caught:
        read(json.dumps(DOCUMENT).encode()[:-1] + b", " + body[1:])
    assert is_transient(caught.value)
