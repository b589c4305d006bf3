import json
from datetime import UTC, datetime

import pytest

from scope_async.errors import NotFoundError, ServerError, ValidationError
from scope_async.http.messages import Reply
from scope_async.prompts.decoding import read_document, read_prompt_version

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


def test_an_optional_field_that_is_absent_or_null_has_a_default():
    optional = [key for key in DOCUMENT if key not in ("version_id", "version", "content", "status")]
    absent = read(without=optional)
    null = read(**dict.fromkeys(optional))
    assert absent == null
    assert (absent.name, absent.variables, absent.metadata, absent.tags) == ("asked", ("name",), {}, ())
    assert (absent.type, absent.is_production, absent.created_at) == ("text", False, None)


@pytest.mark.parametrize("field", ["version_id", "version", "content", "status"])
def test_a_missing_field_is_a_server_error(field):
    with pytest.raises(ServerError, match=field) as caught:
        read(without=(field,))
    assert (caught.value.http_status, caught.value.request_id) == (200, "req-1")


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
def test_a_field_of_the_wrong_type_is_a_server_error_that_names_it(field, value):
    with pytest.raises(ServerError, match=field.removeprefix("prompt_").removesuffix("_id")):
        read(**{field: value})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": "x"}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_prompt_version_is_a_server_error(body):
    with pytest.raises(ServerError):
        read(body)


def test_an_error_reply_raises_its_error():
    with pytest.raises(NotFoundError, match="gone"):
        read({"code": "prompt_not_found", "message": "gone"}, http_status=404)


def test_read_document_raises_a_validation_error_without_a_reply():
    with pytest.raises(ValidationError, match="content"):
        read_document({**DOCUMENT, "content": None}, name="asked", raw=b"{}", unknown_variables="error")


def test_read_document_keeps_the_bytes_as_raw():
    version = read_document(DOCUMENT, name="asked", raw=b'{"colour": "red"}', unknown_variables="error")
    assert version.raw == {"colour": "red"}
