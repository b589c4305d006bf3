"""Reads and writes the snapshot together with other processes; logs what is wrong, and goes on. Blocks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from scope_async.prompts.cache.snapshot_file import (
    NotRegularError,
    Signature,
    locked_folder,
    move_aside,
    read_file,
    replace_file,
    signature_of,
)
from scope_async.prompts.cache.snapshot_format import (
    RecordId,
    Records,
    SnapshotBinding,
    SnapshotRecord,
    format_records,
    merge_records,
    parse_records,
    trim_records,
)

_logger = logging.getLogger("scope_async.prompts")


@attrs.frozen
class _FileState:
    """What was in the file when it had this signature; None: there is no file."""

    signature: Signature | None = None
    records: Records = attrs.field(factory=dict)


class SnapshotStore:
    """The records of one file. `now` returns seconds since the Unix epoch.

    Problems with the file are logged, never raised. One thread writes at a time.
    """

    def __init__(self, path: Path, *, max_entries: int, max_bytes: int, now: Callable[[], float]) -> None:
        self.path = path
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._now = now
        self._state = _FileState()
        self._warned: set[str] = set()

    def read(self, adopt: SnapshotBinding) -> Records:
        """Return the records in the file, those of version 1 as records of `adopt`.

        A file that is no snapshot is moved aside.
        """
        try:
            self._state = self._look(adopt)
        except OSError as error:
            self._warn("read", error)
            return {}
        except ValueError:
            try:
                with locked_folder(self.path):  # another process may be replacing it
                    self._state = self._look_or_move_aside(adopt)
            except OSError as error:
                self._warn("read", error)
                return {}
        return self._state.records

    def write(self, changes: Mapping[RecordId, SnapshotRecord], adopt: SnapshotBinding) -> Records | None:
        """Return what the file has now that the changes are in it; None if it cannot be written.

        A change that says what the file says already writes nothing.
        """
        try:
            with locked_folder(self.path):
                before = self._look_or_move_aside(adopt)
                # Without a file, what was in it last is written again.
                known = before.records if before.signature is not None else self._state.records
                records = trim_records(
                    merge_records(known, changes),
                    max_entries=self._max_entries,
                    max_bytes=self._max_bytes,
                    now=self._now(),
                )
                signature = before.signature
                if signature is None or _said(records) != _said(before.records):
                    signature = replace_file(self.path, format_records(records), private=True)
        except OSError as error:
            self._warn("written", error)
            return None
        self._warned.clear()
        self._state = _FileState(signature, records)
        return records

    def _look_or_move_aside(self, adopt: SnapshotBinding) -> _FileState:
        try:
            return self._look(adopt)
        except ValueError as error:
            try:
                aside = move_aside(self.path)
            except OSError as reason:
                _logger.warning(
                    "%s is no readable prompt snapshot (%s) and cannot be moved: %s", self.path, error, reason
                )
                raise
            _logger.warning(
                "%s is no readable prompt snapshot (%s); it was moved to %s", self.path, error, aside
            )
            return _FileState()

    def _look(self, adopt: SnapshotBinding) -> _FileState:
        """Return the state of the file, read again only if it was replaced.

        Raises:
            ValueError: it is no snapshot.
            OSError: it cannot be read.
        """
        signature = signature_of(self.path)
        if signature is not None and signature == self._state.signature:
            return self._state
        found = read_file(self.path)
        if found is None:
            return _FileState()
        content, signature = found
        return _FileState(
            signature, parse_records(content, adopt=adopt, now=self._now(), report=self._report)
        )

    def _report(self, problem: str) -> None:
        _logger.warning("the prompt snapshot %s %s", self.path, problem)

    def _warn(self, what: str, error: OSError) -> None:
        """Log once, until the file was written, why it is not used."""
        if isinstance(error, NotRegularError):
            what = "read or written"
        if what not in self._warned:
            self._warned.add(what)
            _logger.warning("the prompt snapshot %s cannot be %s: %s", self.path, what, error)


def _said(records: Records) -> dict[RecordId, object]:
    """Return what the service said, whenever that was."""
    return {id: (record.document, record.validator) for id, record in records.items()}
