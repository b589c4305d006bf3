from __future__ import annotations

import json
from typing import Any

import pytest

from scope_async.errors import ServerError
from scope_async.prompts.cache.snapshot_format import (
    FORMAT,
    TOMBSTONE_TTL,
    RecordId,
    Records,
    SnapshotBinding,
    SnapshotRecord,
    document_of,
    format_records,
    merge_records,
    parse_records,
    read_entry,
    trim_records,
)
from scope_async.prompts.conditional import Validator
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion

NOW = 1_700_000_100.0
MINE = SnapshotBinding("https://scope.test", "org_1", "production")
THEIRS = SnapshotBinding("https://scope.test", "org_2", "production")
DOCUMENT = {"version_id": "v1", "version": 1, "name": "p", "content": "Hi {{x}}", "status": "published"}
RECORD = SnapshotRecord(1_700_000_000.5, json.dumps(DOCUMENT).encode(), Validator('W/"1"', "key_1"))


def id_of(
    name: str = "p", label: str | None = None, version: str | None = None, binding: SnapshotBinding = MINE
) -> RecordId:
    return RecordId.of(binding, PromptRef.of(name, label, version))


def parse(content: bytes, problems: list[str] | None = None) -> Records:
    report = (problems if problems is not None else []).append
    return parse_records(content, adopt=MINE, now=NOW, report=report)


def test_format_and_parse_return_the_same_records() -> None:
    records = {
        id_of(): RECORD,
        id_of(label="latest"): SnapshotRecord(1.0, RECORD.document),
        id_of(version="v1"): RECORD,
        id_of(binding=THEIRS): RECORD,
        id_of("gone"): SnapshotRecord(2.0, None),
    }
    content = format_records(records)
    assert parse(content) == records
    assert json.loads(content)["format_version"] == 2
    assert parse(format_records({})) == {}


def test_read_entry_returns_the_version_as_stale() -> None:
    entry = read_entry("p", RECORD, "ignore")
    assert (entry.version.id, entry.version.is_stale, entry.stored_at) == ("v1", True, RECORD.stored_at)
    assert entry.validator == RECORD.validator
    assert entry.version.render(x="X", y="Y") == "Hi X"


def test_read_entry_raises_for_what_is_no_prompt_version() -> None:
    with pytest.raises(ServerError, match="version_id"):
        read_entry("p", SnapshotRecord(1.0, b"{}"), "error")


def test_parse_takes_the_entries_of_version_1_for_the_readers_own() -> None:
    entry = {"name": "p", "by": "label", "wanted": "latest", "stored_at": 5, "document": DOCUMENT}
    content = json.dumps({"format": FORMAT, "format_version": 1, "prompts": [entry]}).encode()
    assert parse(content) == {id_of(label="latest"): SnapshotRecord(5.0, json.dumps(DOCUMENT).encode())}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"format": "other"}',
        json.dumps({"format": FORMAT}).encode(),
        json.dumps({"format": FORMAT, "format_version": 3, "prompts": []}).encode(),
        json.dumps({"format": FORMAT, "format_version": True, "prompts": []}).encode(),
        json.dumps({"format": FORMAT, "format_version": 2, "prompts": {}}).encode(),
    ],
)
def test_parse_refuses_what_is_no_snapshot(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^its? "):
        parse(content)


def entry(**changes: Any) -> dict[str, Any]:
    known = json.loads(format_records({id_of("bad"): RECORD}))["prompts"][0]
    return {**known, **changes}


HUGE = "1" + "0" * 5000


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "5",
        "{}",
        "[]",
        json.dumps(entry(stored_at="never")),
        json.dumps(entry(stored_at=None)),
        json.dumps(entry(stored_at=[1])),
        json.dumps(entry(stored_at=float("nan"))),
        json.dumps(entry(stored_at=float("inf"))),
        json.dumps(entry(stored_at=10**400)),
        json.dumps(entry(stored_at=0)).replace('"stored_at": 0', f'"stored_at": {HUGE}'),
        json.dumps(entry(by="colour")),
        json.dumps(entry(by=[])),
        json.dumps(entry(wanted="staging")),
        json.dumps(entry(wanted=5)),
        json.dumps(entry(name="..")),
        json.dumps(entry(name=None)),
        json.dumps(entry(document=[])),
        json.dumps(entry(document="text")),
        json.dumps(entry(organization=5)),
        json.dumps({key: value for key, value in entry().items() if key != "environment"}),
        '{"name": ' + "[" * 100_000,
        '{"name": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"name": "cut off',
        "\x00",
    ],
)
@pytest.mark.parametrize("place", ["first", "last"])
def test_parse_keeps_every_entry_beside_one_that_cannot_be_read(bad: str, place: str) -> None:
    good = format_records({id_of(): RECORD, id_of("q"): RECORD}).decode()
    head, *lines = good.split("\n")
    if place == "first":
        lines.insert(0, bad + ",")
    else:
        lines[1:2] = [lines[1] + ",", bad]
    problems: list[str] = []
    assert parse("\n".join([head, *lines]).encode(), problems) == {id_of(): RECORD, id_of("q"): RECORD}
    assert len(problems) == 1


def test_parse_keeps_the_entries_before_the_end_of_a_file_that_was_cut_off() -> None:
    content = format_records({id_of(f"p{index}"): RECORD for index in range(5)})
    problems: list[str] = []
    assert list(parse(content[:-60], problems)) == [id_of(f"p{index}") for index in range(4)]
    assert len(problems) == 1


@pytest.mark.parametrize("value", [10**400, 1e308, float("nan"), "\ud800", {"a": [None]}])
def test_parse_keeps_a_document_whatever_its_values_are(value: Any) -> None:
    content = json.dumps(
        {"format": FORMAT, "format_version": 2, "prompts": [entry(document={"metadata": value})]}
    )
    (record,) = parse(content.encode()).values()
    assert record.document is not None
    assert list(json.loads(record.document)) == ["metadata"]


def test_parse_takes_no_entry_for_one_of_the_future() -> None:
    content = format_records({id_of(): SnapshotRecord(NOW + 1e9, RECORD.document)})
    assert parse(content)[id_of()].stored_at == NOW


@pytest.mark.parametrize("order", [1, -1])
def test_parse_takes_the_newest_of_two_entries_about_the_same(order: int) -> None:
    entries = [entry(stored_at=1, document={"a": 1}), entry(stored_at=2, document={"a": 2})][::order]
    content = json.dumps({"format": FORMAT, "format_version": 2, "prompts": entries}).encode()
    assert [record.document for record in parse(content).values()] == [b'{"a": 2}']


@pytest.mark.parametrize("etag", ["unquoted", 5, None, '"a\r\nX: 1"'])
def test_parse_ignores_what_is_no_entity_tag(etag: Any) -> None:
    content = json.dumps({"format": FORMAT, "format_version": 2, "prompts": [entry(etag=etag)]})
    (record,) = parse(content.encode()).values()
    assert record.validator is None


def test_merge_takes_what_was_stored_last() -> None:
    old, new = SnapshotRecord(1.0, b"{}"), SnapshotRecord(2.0, None)
    for before, after in ((old, new), (new, old)):
        assert merge_records({id_of(): before}, {id_of(): after}) == {id_of(): new}
    assert set(merge_records({id_of("p"): old}, {id_of("q"): new})) == {id_of("p"), id_of("q")}


def test_merge_takes_the_change_of_the_same_instant() -> None:
    one, other = SnapshotRecord(1.0, b"{}"), SnapshotRecord(1.0, b"[]")
    assert merge_records({id_of(): one}, {id_of(): other}) == {id_of(): other}


def trimmed(records: Records, **limits: Any) -> list[str]:
    options = {"max_entries": 100, "max_bytes": 10_000, "now": NOW, **limits}
    return [id.name for id in trim_records(records, **options)]


def test_trim_keeps_the_newest_of_each_binding() -> None:
    records = {id_of(f"p{index}"): SnapshotRecord(float(index), b"{}") for index in range(5)}
    records |= {id_of("other", binding=THEIRS): SnapshotRecord(0.0, b"{}")}
    assert trimmed(records, max_entries=2) == ["p3", "p4", "other"]
    assert trimmed(records, max_bytes=7) == ["p2", "p3", "p4", "other"]


def test_trim_forgets_a_prompt_that_is_gone_after_an_hour() -> None:
    records: Records = {id_of("gone"): SnapshotRecord(NOW - TOMBSTONE_TTL + 1, None)}
    assert trimmed(records, max_entries=1) == ["gone"]
    assert trimmed(records, now=NOW + 1) == []


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content": "a\\nb"}',
        b'{\r\n  "content":\n "a"\n}',
        json.dumps({"content": "\u540d"}).encode("utf-16"),
        b"\xef\xbb\xbf" + b'{"content": "bom"}',
    ],
)
def test_document_of_stands_inside_other_json(raw: bytes) -> None:
    version = PromptVersion(name="p", content="x", raw=raw)
    content = format_records({id_of(): SnapshotRecord(1.0, document_of(version))})
    assert content.count(b"\n") == 3
    (item,) = json.loads(content)["prompts"]
    assert item["document"] == json.loads(raw)
