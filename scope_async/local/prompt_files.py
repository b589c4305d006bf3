"""Reads prompts from a folder or a mapping."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from attrs import field, frozen

from scope_async.errors import ConfigurationError, ValidationError
from scope_async.local.front_matter import split_front_matter
from scope_async.local.store.prompt_models import Content, Draft

Prompts = Mapping[str, Content] | str | Path

MOST_BYTES = 1024 * 1024
"""Bytes of one file: as many as a request to the API may have."""
_SUFFIXES = (".md", ".json")
_SHOWN = 20
_OWN_FIELDS = frozenset(
    {"name", "content", "metadata", "tags", "prompt_type", "type", "status", "is_production"}
)
# What a version has besides, as the API writes it: a copy gets an id, a number and times of its own.
_GIVEN_ANEW = frozenset(
    {
        *("id", "version_id", "version", "version_number", "prompt_id", "variables"),
        *("created_at", "created_by", "updated_at", "promoted_at", "promoted_by"),
    }
)


@frozen
class LoadedPrompts:
    """What was taken from a folder or a mapping, and for each file that was passed over the reason."""

    drafts: tuple[Draft, ...] = field(default=(), repr=False)
    passed_over: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        taken = f"{len(self.drafts)} prompt{'' if len(self.drafts) == 1 else 's'} taken"
        if not self.passed_over:
            return taken
        shown = "; ".join(f"{name!r}: {reason}" for name, reason in self.passed_over[:_SHOWN])
        more = len(self.passed_over) - _SHOWN
        return (
            f"{taken}, {len(self.passed_over)} passed over: {shown}{f'; and {more} more' if more > 0 else ''}"
        )


def load_prompts(prompts: Prompts, *, strict: bool = False) -> LoadedPrompts:
    """Return the prompts in `prompts`. It reads files: call it in a thread.

    A mapping is name to content. A folder holds `<name>.md` (the content, after optional YAML front
    matter) and `<name>.json` (a version as the API writes it). A subfolder is part of the name;
    percent-encoding in file names is decoded. Fields that no version has become metadata. A file
    that cannot be a prompt is passed over, or with `strict` refused.

    No link is followed out of the folder, and only regular files are opened.

    Raises:
        ConfigurationError: the folder cannot be read, a mapping holds no prompt, or with `strict`
            a file cannot be read as a prompt; the message names it.
    """
    if isinstance(prompts, Mapping):
        try:
            return LoadedPrompts(tuple(_draft(name, {"content": text}) for name, text in prompts.items()))
        except ValueError as error:
            raise ConfigurationError(f"prompts: {error}") from error
    folder = Path(prompts)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise ConfigurationError(f"prompts: {folder} {what}; give a folder of files such as greeting.md")
    loaded = _load_folder(folder.resolve())
    refused = [(name, reason) for name, reason in loaded.passed_over if reason not in _NO_PROMPTS]
    if strict and refused:
        raise ConfigurationError("; ".join(f"{folder / name}: {reason}" for name, reason in refused[:_SHOWN]))
    return loaded


_HIDDEN = "hidden"
_OTHER_SUFFIX = "neither .md nor .json"
_NO_PROMPTS = (_HIDDEN, _OTHER_SUFFIX)
"""Reasons that are no mistakes."""


def _load_folder(folder: Path) -> LoadedPrompts:
    found: dict[str, list[tuple[str, Draft]]] = defaultdict(list)
    passed_over: list[tuple[str, str]] = []
    for inside, problem in _files(folder):
        if problem is not None:
            passed_over.append((inside, problem))
            continue
        try:
            draft = _read(folder, inside)
        except (OSError, ValueError, RecursionError) as error:
            passed_over.append((inside, _reason(error)))
        else:
            found[draft.name].append((inside, draft))
    taken: list[Draft] = []
    for name, candidates in found.items():
        files = [inside for inside, _ in candidates]
        if len(files) == 1:
            taken.append(candidates[0][1])
        else:
            reason = f"the name {name!r} is of several files: {', '.join(files)}"
            passed_over.extend((inside, reason) for inside in files)
    return LoadedPrompts(tuple(taken), tuple(sorted(passed_over)))


def _files(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the path inside the folder of each file, and why it is passed over (None: it is not)."""
    problems: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=problems.append):
        folders.sort()
        here = Path(place).relative_to(folder)
        for name in [name for name in folders if name.startswith(".")]:
            folders.remove(name)
            yield str(here / name), _HIDDEN
        for name in [name for name in folders if Path(place, name).is_symlink()]:
            yield str(here / name), "a link to a folder"
        for name in sorted(files):
            problem = None
            if name.startswith("."):
                problem = _HIDDEN
            elif Path(name).suffix not in _SUFFIXES:
                problem = _OTHER_SUFFIX
            yield str(here / name), problem
    for error in problems:
        yield os.path.relpath(str(error.filename), folder), _reason(error)


def _read(folder: Path, inside: str) -> Draft:
    path = Path(inside)
    text = _text(folder, path)
    fields, content = split_front_matter(text) if path.suffix == ".md" else (_json(text), None)
    if content is not None:
        fields = {**fields, "content": content}
    # Some file systems decompose the names that a person typed.
    name = unicodedata.normalize("NFC", unquote(path.with_suffix("").as_posix(), errors="strict"))
    return _draft(name, fields)


def _text(folder: Path, inside: Path) -> str:
    path = Path(os.path.realpath(folder / inside, strict=True))
    if not path.is_relative_to(folder):
        raise ValueError("a link out of the folder")
    # Not blocking, because opening a pipe would wait for a writer; what it is, is asked afterwards,
    # so that nothing can be put in its place between the two.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return data.decode("utf-8-sig")


def _json(text: str) -> dict[str, Any]:
    try:
        fields: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - about the content of a file
    return cast("dict[str, Any]", fields)


def _draft(name: str, fields: Mapping[str, Any]) -> Draft:
    content: Any = fields.get("content")
    prompt_type = fields.get("prompt_type", fields.get("type"))
    if not isinstance(content, str | Sequence):
        raise ValueError("content is missing")  # noqa: TRY004 - about the content of a file
    if prompt_type is None:
        prompt_type = "text" if isinstance(content, str) else "chat"
    try:
        return Draft.checked(
            fields.get("name", name),
            cast("Content", content),
            metadata=_metadata(fields),
            prompt_type=prompt_type,
            tags=_tags(fields.get("tags")),
            status=_status(fields),
        )
    except (ValidationError, TypeError) as error:
        raise ValueError(f"{name!r}: {error}") from error


def _metadata(fields: Mapping[str, Any]) -> Any:
    given = fields.get("metadata")
    more = {name: value for name, value in fields.items() if name not in _OWN_FIELDS | _GIVEN_ANEW}
    if given is not None and not isinstance(given, dict):
        raise ValueError(f"metadata is an object, got {given!r}")
    # Metadata that says the same name itself is nearer.
    return {**more, **(cast("dict[str, Any]", given) or {})} if more or given is not None else None


def _tags(tags: Any) -> Any:
    if tags is None:
        return ()
    if isinstance(tags, str):
        return tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    return tags


def _status(fields: Mapping[str, Any]) -> str:
    production = fields.get("is_production")
    if not isinstance(production, bool | None):
        raise ValueError(f"is_production is yes or no, got {production!r}")  # noqa: TRY004 - about the content of a file
    status = fields.get("status")
    if status is None:
        return "draft" if production is False else "published"
    if production is not None and status in ("draft", "published", "archived"):
        if status == "published" and not production:
            return "draft"
        if status != "published" and production:
            raise ValueError(f"is_production is yes, and the status is {status}")
    return str(status)


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
