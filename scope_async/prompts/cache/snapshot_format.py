"""The snapshot's content: which entries it has, and how two states of it become one; no I/O.

JSON of `{"format": …, "format_version": 2, "prompts": […]}` with one entry on each line. An entry is
`{"service", "organization", "environment", "name", "by", "wanted", "stored_at", "document"}`: `by` is
`label` or `version`, `wanted` which one, `stored_at` seconds since the Unix epoch, `document` what
the service said, or null for a prompt that it no longer has. `etag` and `api_key` are there when the
answer had an `ETag`. Version 1 had no service, organization and environment: its entries are taken
for those of the client that reads them. No secret and no token is ever in it.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import attrs

from scope_async._core.frozen_json import is_array, is_object
from scope_async.config import UnknownVariables
from scope_async.errors import ValidationError
from scope_async.http.messages import Reply
from scope_async.prompts.conditional import Validator, is_entity_tag
from scope_async.prompts.decoding import read_prompt_version
from scope_async.prompts.reference import Key, PromptRef, key_of
from scope_async.prompts.version import PromptVersion, raw_json, with_flags

FORMAT = "scope-async prompt snapshot"
FORMAT_VERSION = 2
_HEAD = json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION})[:-1].encode()

TOMBSTONE_TTL = 3600.0
"""Seconds for which the file remembers that a prompt is gone, so that no other process brings it back."""


class SnapshotBinding(NamedTuple):
    """Whose prompts they are: an entry is never served to another service, organization or environment."""

    service: str
    organization: str
    environment: str


class RecordId(NamedTuple):
    """What an entry of the file is about."""

    binding: SnapshotBinding
    name: str
    by: str
    selector: str

    @classmethod
    def of(cls, binding: SnapshotBinding, ref: PromptRef) -> RecordId:
        """Return the id of what `ref` names."""
        return cls(binding, ref.name, "version" if ref.is_by_id else "label", ref.selector)

    @property
    def key(self) -> Key:
        """The key of the memory cache for the same version."""
        if self.by == "version":
            return key_of(self.name, None, self.selector)
        return key_of(self.name, self.selector, None)


@attrs.frozen
class SnapshotRecord:
    """An entry as it is in the file; `document` is the service's JSON, None when the prompt is gone."""

    stored_at: float
    document: bytes | None
    validator: Validator | None = None


@attrs.frozen
class SnapshotEntry:
    """A version as the service last had it; `stored_at` is in seconds since the Unix epoch."""

    version: PromptVersion
    stored_at: float
    validator: Validator | None = None


Records = dict[RecordId, SnapshotRecord]
ReportProblem = Callable[[str], None]


def read_entry(name: str, record: SnapshotRecord, unknown_variables: UnknownVariables) -> SnapshotEntry:
    """Return the version in a record, with `is_stale` set.

    Raises:
        ServerError: its document is not a prompt version.
    """
    reply = Reply(status=200, headers={}, body=record.document or b"null")
    version = read_prompt_version(reply, name=name, unknown_variables=unknown_variables)
    return SnapshotEntry(with_flags(version, is_stale=True), record.stored_at, record.validator)


def merge_records(records: Records, changes: Mapping[RecordId, SnapshotRecord]) -> Records:
    """Return both, of two with the same id the one that was stored last; the order is that of storing."""
    merged = dict(records)
    for id, change in changes.items():
        known = merged.get(id)
        if known is None or known.stored_at <= change.stored_at:
            merged[id] = change
    return dict(sorted(merged.items(), key=lambda item: item[1].stored_at))


def trim_records(records: Records, *, max_entries: int, max_bytes: int, now: float) -> Records:
    """Return the newest records, within the limits for each binding, and without old tombstones."""
    kept: Records = {}
    room: dict[SnapshotBinding, tuple[int, int]] = {}
    for id, record in reversed(records.items()):
        if record.document is None:
            if now - record.stored_at < TOMBSTONE_TTL:
                kept[id] = record
            continue
        entries, size = room.get(id.binding, (max_entries, max_bytes))
        entries, size = entries - 1, size - len(record.document)
        if entries >= 0 and size >= 0:
            room[id.binding] = entries, size
            kept[id] = record
    return dict(reversed(kept.items()))


def format_records(records: Records) -> bytes:
    """Return the file's content."""
    lines = b",\n".join(_line(id, record) for id, record in records.items())
    return _HEAD + b', "prompts": [\n' + lines + b"\n]}\n"


def parse_records(content: bytes, *, adopt: SnapshotBinding, now: float, report: ReportProblem) -> Records:
    """Return the entries of a file; `report` is called for each that cannot be read, which is left out.

    `adopt` is whose the entries of version 1 are. None is newer than `now`: a wall clock that was
    wrong once does not keep what is stored later from winning.

    Raises:
        ValueError: it is no snapshot, or one of another version.
    """
    records: Records = {}
    version, items = _items(content, report)
    for item in items:
        try:
            id, record = _read_item(item, adopt if version == 1 else None, now)
        except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError, ValidationError) as error:
            report(f"has an entry that cannot be read: {type(error).__name__}: {error!s:.200}")
        else:
            if id not in records or records[id].stored_at <= record.stored_at:
                records[id] = record
    return records


def _items(content: bytes, report: ReportProblem) -> tuple[int, list[Any]]:
    try:
        file = _load(content)
    except (ValueError, RecursionError) as error:
        return _salvage(content, error, report)
    if not is_object(file) or file.get("format") != FORMAT:
        raise ValueError("it is not a snapshot of prompts")
    version, items = file.get("format_version"), file.get("prompts")
    if version not in (1, FORMAT_VERSION) or isinstance(version, bool):
        raise ValueError(f"its format version is {version!r:.20}, not {FORMAT_VERSION}")
    if not is_array(items):
        raise ValueError("it has no list of prompts")
    return int(version), list(items)


def _salvage(content: bytes, error: Exception, report: ReportProblem) -> tuple[int, list[Any]]:
    """Return the entries of a file that is no JSON as a whole: each has a line of its own."""
    head, *lines = content.split(b"\n")
    if not head.startswith(_HEAD):
        raise ValueError(f"it is not JSON: {type(error).__name__}")
    items: list[Any] = []
    for line in lines:
        entry = line.strip().rstrip(b",")
        if entry in (b"", b"]}"):
            continue
        try:
            items.append(_load(entry))
        except (ValueError, RecursionError) as reason:
            report(f"has an entry that cannot be read: {type(reason).__name__}")
    return FORMAT_VERSION, items


def _load(text: bytes) -> Any:
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # longer than Python converts; the entry that needs it says so
        return float(digits)


def _read_item(item: Any, adopt: SnapshotBinding | None, now: float) -> tuple[RecordId, SnapshotRecord]:
    binding = adopt or SnapshotBinding(*(_text(item[field]) for field in SnapshotBinding._fields))
    by, selector = item["by"], item["wanted"]
    ref = PromptRef.of(item["name"], **{{"label": "label", "version": "version"}[by]: selector})
    stored_at = float(item["stored_at"])
    if not math.isfinite(stored_at):
        raise ValueError(f"stored_at is {stored_at}")
    document = item["document"]
    if document is not None and not is_object(document):
        raise TypeError("its document is not an object")
    return RecordId.of(binding, ref), SnapshotRecord(
        stored_at=min(stored_at, now),
        document=None if document is None else json.dumps(document).encode(),
        validator=_read_validator(item.get("etag"), item.get("api_key")),
    )


def _read_validator(etag: object, api_key: object) -> Validator | None:
    if is_entity_tag(etag) and isinstance(api_key, str):
        return Validator(str(etag), api_key)
    return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string was expected, got {type(value).__name__}")
    return value


def _line(id: RecordId, record: SnapshotRecord) -> bytes:
    facts: dict[str, Any] = {
        **id.binding._asdict(),
        "name": id.name,
        "by": id.by,
        "wanted": id.selector,
        "stored_at": record.stored_at,
    }
    if record.validator is not None:
        facts |= {"etag": record.validator.etag, "api_key": record.validator.api_key}
    # Line ends are blanks between the tokens of JSON, and nowhere else (RFC 8259 section 7).
    document = (record.document or b"null").replace(b"\n", b" ").replace(b"\r", b" ")
    return json.dumps(facts)[:-1].encode() + b', "document": ' + document + b"}"


def document_of(version: PromptVersion) -> bytes:
    """Return what the service said about a version, as UTF-8 JSON that can stand inside other JSON."""
    raw = raw_json(version)
    try:
        if not raw.startswith(codecs.BOM_UTF8) and "\0" not in raw.decode():
            return raw
    except UnicodeDecodeError:
        pass
    return json.dumps(json.loads(raw)).encode()
