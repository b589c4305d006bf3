"""Reads a prompt version from the service's reply, in both spellings of contract 1.3."""

# Without `from __future__ import annotations`: `msgspec` would compile the types of all fields.
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from scope_async._core.frozen_json import FrozenDict, freeze_mapping
from scope_async.config import UnknownVariables
from scope_async.errors import ValidationError
from scope_async.http.decoding import broken, read_object, says
from scope_async.http.failures import UNREADABLE
from scope_async.http.messages import Reply
from scope_async.prompts.content import variables_in
from scope_async.prompts.validation import content_text
from scope_async.prompts.version import PromptVersion, freeze_fields
from scope_async.prompts.version_fields import VersionFields

_INSTANTS = ("created_at", "updated_at", "promoted_at")
_NOTHING = FrozenDict()

# One without an offset is odd, and made aware where odd documents are read.
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Document(msgspec.Struct, gc=False):
    """The fields of a prompt version and their types, checked while they are decoded.

    All may be absent or null here: which of them are required is `_missing`'s to say.
    """

    # In the order of the documented reply, in which msgspec looks for them.
    version_id: str | None = None
    version: int | None = None
    prompt_id: str | None = None
    name: str | None = None
    content: str | list[dict[str, Any]] | None = None
    variables: tuple[str, ...] | None = None
    status: str | None = None
    is_production: bool | None = None
    prompt_type: str | None = None
    metadata: dict[str, Any] | None = None
    tags: tuple[str, ...] | None = None
    created_at: _Instant | None = None
    updated_at: _Instant | None = None
    promoted_at: _Instant | None = None
    promoted_by: str | None = None
    created_by: str | None = None
    id: str | None = None
    version_number: int | None = None


_decode = msgspec.json.Decoder(_Document).decode


def read_prompt_version(reply: Reply, *, name: str, unknown_variables: UnknownVariables) -> PromptVersion:
    """Return the prompt version in `reply`; `name` is its name if the reply has none.

    Raises:
        ApiError: of the kind that fits, when the reply reports an error.
        ServerError: the reply is a success, and not a prompt version. Its code is `UNREADABLE` if
            a field is of the wrong type, which no retry changes.
    """
    body = reply.body
    document = None
    try:
        # The text of fields that nothing reads is not decoded, and so not checked otherwise.
        if 200 <= reply.status < 300 and (body.isascii() or body.decode()):  # noqa: PLR2004 - the class of statuses
            document = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # an odd one is read the long way, which also says what is wrong
    try:
        if document is None:
            document = _convert(read_object(reply))
        if missing := _missing(document):
            missing += says(read_object(reply))
            raise broken(reply, f"the service's prompt version is not readable: {missing}")
        return _version(document, name, body, unknown_variables)
    except ValidationError as error:
        message = f"the service's prompt version is not readable: {error}"
        raise broken(reply, message, UNREADABLE) from None


def _convert(document: Mapping[str, Any]) -> _Document:
    """Return the document of a JSON object as `json` reads it: with lone surrogates, NaN, and any
    ISO 8601 that Python knows; an instant without an offset is in UTC.

    Raises:
        ValidationError: a field is of the wrong type.
    """
    # No other field: the name of one may be text that UTF-8 has no bytes for.
    known = {name: document[name] for name in _Document.__struct_fields__ if name in document}
    instants = {name: _instant(name, document.get(name)) for name in _INSTANTS}
    try:
        return msgspec.convert({**known, **instants}, _Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValidationError(str(error)) from None


def _instant(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise ValidationError(f"{name} is not ISO 8601: {value[:100]!r}") from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _missing(document: _Document) -> str:
    """Return what a document lacks; empty if it has all that a version needs."""
    if document.version_id is None and document.id is None:
        return "it has no version_id and no id"
    if document.version is None and document.version_number is None:
        return "it has no version and no version_number"
    if document.content is None or document.status is None:
        return "it has no content" if document.content is None else "it has no status"
    return ""


def _version(
    document: _Document, name: str, raw: bytes, unknown_variables: UnknownVariables
) -> PromptVersion:
    content, variables, metadata = document.content, document.variables, document.metadata
    fields: Any = VersionFields()
    fields.id = document.id if document.version_id is None else document.version_id
    fields.prompt_id = document.prompt_id or ""
    fields.name = name if document.name is None else document.name
    fields.version_number = document.version_number if document.version is None else document.version
    fields.content = content if type(content) is str else content_text(content)  # type: ignore[arg-type]
    fields.status = document.status
    fields.is_production = document.is_production is True
    fields.type = document.prompt_type or "text"
    fields.variables = variables_in(fields.content, fields.type) if variables is None else variables
    fields.metadata = freeze_mapping(metadata) if metadata else _NOTHING
    fields.tags = document.tags or ()
    fields.created_at = document.created_at
    fields.updated_at = document.updated_at
    fields.promoted_at = document.promoted_at
    fields.promoted_by = document.promoted_by
    fields.created_by = document.created_by
    fields._raw = raw  # noqa: SLF001 - what a version keeps to itself
    fields._bound = _NOTHING  # noqa: SLF001
    fields._renderer = None  # noqa: SLF001
    fields.is_stale = fields.is_fallback = False
    fields.unknown_variables = unknown_variables
    return freeze_fields(fields)
