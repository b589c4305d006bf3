"""Reads prompts from a folder or a mapping."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from scope_async.errors import ConfigurationError, ValidationError
from scope_async.local.store.prompt_models import Content, Draft

Prompts = Mapping[str, Content] | str | Path

_FENCE = "---"


def read_prompts(prompts: Prompts) -> list[Draft]:
    """Return the drafts in `prompts`. It reads files: call it in a thread.

    A mapping is name to content. A folder holds `<name>.md` (the content, after optional
    front matter) and `<name>.json` (a version as the API writes it). A subfolder is part of the
    name; percent-encoding in file names is decoded.

    Raises:
        ConfigurationError: a file cannot be read as a prompt; the message names it.
    """
    if isinstance(prompts, Mapping):
        return [_draft(name, {"content": content}, name) for name, content in prompts.items()]
    folder = Path(prompts)
    if not folder.is_dir():
        raise ConfigurationError(f"prompts: {folder} is not a folder")
    drafts: list[Draft] = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix not in (".md", ".json") or any(part.startswith(".") for part in inside.parts):
            continue
        name = unquote(inside.with_suffix("").as_posix())
        try:
            text = path.read_text(encoding="utf-8")
            fields = _front_matter(text) if path.suffix == ".md" else _json(text)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path}: {error}") from error
        drafts.append(_draft(name, fields, path))
    return drafts


def _draft(name: str, fields: Mapping[str, Any], source: object) -> Draft:
    status = fields.get("status", "published")
    prompt_type = fields.get("prompt_type", fields.get("type"))
    content: Any = fields.get("content")
    if prompt_type is None:
        prompt_type = "text" if isinstance(content, str) else "chat"
    if status not in ("draft", "published"):
        raise ConfigurationError(f"{source}: status is 'draft' or 'published', got {status!r}")
    if not isinstance(content, str | list):
        raise ConfigurationError(f"{source}: content is missing")
    try:
        return Draft.checked(
            fields.get("name", name),
            cast("Content", content),
            metadata=fields.get("metadata"),
            prompt_type=prompt_type,
            tags=fields.get("tags") or (),
            publish=status == "published",
            promote=bool(fields.get("is_production", True)),
        )
    except (ValidationError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{source}: {error}") from error


def _json(text: str) -> dict[str, Any]:
    fields: Any = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - about the content of a file
    return cast("dict[str, Any]", fields)


def _front_matter(text: str) -> dict[str, Any]:
    """Return the fields of `name: value` lines between two `---`, a small part of YAML, and the content.

    A value is JSON or else plain text; `[a, b]` is a list; indented lines below an empty
    value are an object.
    """
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].strip() != _FENCE:
        return {"content": text}
    fields: dict[str, Any] = {}
    inner: dict[str, Any] | None = None
    for number, line in enumerate(lines[1:], start=2):
        if line.strip() == _FENCE:
            return {**fields, "content": "".join(lines[number:]).removeprefix("\n")}
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = line.strip().partition(":")
        indented = line[0].isspace()
        if not colon or (indented and inner is None):
            raise ValueError(f"line {number}: expected 'name: value', got {line.strip()!r}")
        if indented and inner is not None:
            inner[name] = _value(value.strip())
        elif value.strip():
            fields[name], inner = _value(value.strip()), None
        else:
            inner = fields[name] = {}
    raise ValueError("the front matter has no closing ---")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.startswith("[") and text.endswith("]"):
        return [_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
