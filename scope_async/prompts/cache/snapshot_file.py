"""The file that keeps prompt versions over restarts: its format, and safe reading and writing.

JSON of `{"format": …, "format_version": 1, "prompts": [{"name", "by", "wanted", "stored_at",
"document"}]}`; `by` is `label` or `version`, `wanted` which one, `stored_at` seconds since the
Unix epoch, `document` what the service said. No secret and no token is ever in it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from scope_async._core.frozen_json import is_array, is_object
from scope_async.config import UnknownVariables
from scope_async.errors import ValidationError
from scope_async.prompts.decoding import read_document
from scope_async.prompts.reference import Key, PromptRef
from scope_async.prompts.version import PromptVersion, raw_json, with_flags

FORMAT = "scope-async prompt snapshot"
FORMAT_VERSION = 1

_logger = logging.getLogger("scope_async.prompts")


@attrs.frozen
class SnapshotEntry:
    """A version as the service last had it; `stored_at` is in seconds since the Unix epoch."""

    version: PromptVersion
    stored_at: float


def read_snapshot(path: Path, unknown_variables: UnknownVariables = "error") -> dict[Key, SnapshotEntry]:
    """Return the versions in the file, with `is_stale` set; none when there is no file.

    A file that is no snapshot is moved aside, and one that cannot be read is left alone;
    both are logged. Never raises for what is, or is not, in the file system. Blocks.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        _logger.warning("the prompt snapshot %s cannot be read: %s", path, error)
        return {}
    try:
        entries = _entries(json.loads(text))
    except (ValueError, RecursionError) as error:
        _move_aside(path, error)
        return {}
    found: dict[Key, SnapshotEntry] = {}
    for entry in entries:
        try:
            key, read = _read_entry(entry, unknown_variables)
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            _logger.warning("the prompt snapshot %s has an entry that cannot be read: %s", path, error)
        else:
            found[key] = read
    return found


def write_snapshot(path: Path, prompts: Mapping[Key, SnapshotEntry]) -> None:
    """Replace the file atomically and durably, with mode 0600. Blocks.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "prompts": [_entry_json(key, entry) for key, entry in prompts.items()],
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # `mkstemp` makes the file with mode 0600 from the start.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _entries(content: Any) -> list[Any]:
    if not is_object(content) or content.get("format") != FORMAT:
        raise ValueError("it is not a snapshot of prompts")
    if content.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"its format version is {content.get('format_version')!r}, not {FORMAT_VERSION}")
    prompts = content.get("prompts")
    if not is_array(prompts):
        raise ValueError("it has no list of prompts")
    return list(prompts)


def _entry_json(key: Key, entry: SnapshotEntry) -> dict[str, Any]:
    name, by, selector = (key, "label", "production") if isinstance(key, str) else key
    document = json.loads(raw_json(entry.version))
    return {"name": name, "by": by, "wanted": selector, "stored_at": entry.stored_at, "document": document}


def _read_entry(entry: Any, unknown_variables: UnknownVariables) -> tuple[Key, SnapshotEntry]:
    name, by, selector = entry["name"], entry["by"], entry["wanted"]
    ref = PromptRef.of(name, **{{"label": "label", "version": "version"}[by]: selector})
    document = entry["document"]
    if not is_object(document):
        raise TypeError("its document is not an object")
    version = read_document(
        document, name=name, raw=json.dumps(document).encode(), unknown_variables=unknown_variables
    )
    return ref.key, SnapshotEntry(with_flags(version, is_stale=True), float(entry["stored_at"]))


def _move_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(f"{path.name}.corrupt")
    try:
        path.replace(aside)
    except OSError as reason:
        _logger.warning("%s is no readable prompt snapshot (%s) and cannot be moved: %s", path, error, reason)
    else:
        _logger.warning("%s is no readable prompt snapshot (%s); it was moved to %s", path, error, aside)
