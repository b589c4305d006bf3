"""Reads a prompt version from the service's reply, in both spellings of contract 1.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from scope_async.config import UnknownVariables
from scope_async.errors import ValidationError
from scope_async.http.decoding import broken, read_object
from scope_async.http.failures import UNREADABLE
from scope_async.http.messages import Reply
from scope_async.prompts.version import PromptVersion


def read_prompt_version(reply: Reply, *, name: str, unknown_variables: UnknownVariables) -> PromptVersion:
    """Return the prompt version in `reply`; `name` is its name if the reply has none.

    Raises:
        ApiError: of the kind that fits, when the reply reports an error.
        ServerError: the reply is a success, and not a prompt version.
    """
    document = read_object(reply)
    try:
        return read_document(document, name=name, raw=reply.body, unknown_variables=unknown_variables)
    except ValidationError as error:
        message = f"the service's prompt version is not readable: {error}"
        raise broken(reply, message, UNREADABLE) from None


def read_document(
    document: Mapping[str, Any], *, name: str, raw: bytes, unknown_variables: UnknownVariables
) -> PromptVersion:
    """Return the prompt version that a JSON object describes; `raw` is that object's JSON.

    Raises:
        ValidationError: a field is missing or of the wrong type.
    """
    get: Callable[[str], Any] = document.get
    return PromptVersion(
        id=_either(document, "version_id", "id"),
        prompt_id=_default(get("prompt_id"), ""),
        name=_default(get("name"), name),
        version_number=_either(document, "version", "version_number"),
        content=_required(get("content"), "content"),
        variables=get("variables"),
        status=_required(get("status"), "status"),
        is_production=_default(get("is_production"), False),
        type=_default(get("prompt_type"), "text"),
        metadata=get("metadata"),
        tags=_default(get("tags"), ()),
        created_at=_instant(get("created_at"), "created_at"),
        updated_at=_instant(get("updated_at"), "updated_at"),
        promoted_at=_instant(get("promoted_at"), "promoted_at"),
        promoted_by=get("promoted_by"),
        raw=raw,
        unknown_variables=unknown_variables,
    )


def _either(document: Mapping[str, Any], documented: str, seen: str) -> Any:
    value = document.get(documented)
    return _required(document.get(seen) if value is None else value, f"{documented} and no {seen}")


def _required(value: Any, name: str) -> Any:
    if value is None:
        raise ValidationError(f"it has no {name}")
    return value


def _default(value: Any, default: Any) -> Any:
    return default if value is None else value


def _instant(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValidationError(f"{name} must be an ISO 8601 string or null, got {type(value).__name__}")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValidationError(f"{name} is not ISO 8601: {value!r:.100}") from None
