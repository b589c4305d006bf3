"""Puts new credentials into a file: at once, with the mode and the owner that it has."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from scope_async.credentials.api_key import ApiKeyCredentials
from scope_async.credentials.document import SPELLINGS, parse_document, parse_object, read_credentials
from scope_async.credentials.replacement import format_object, replace_credentials
from scope_async.credentials.value_file import LARGEST, reason
from scope_async.errors import ConfigurationError, ConflictError

if sys.platform != "win32":  # there a concurrent writer is noticed, though not locked out
    import fcntl

# What became a FIFO since it was looked at would block in `open`.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@attrs.frozen
class _Stored:
    """A file as it was read; `identity` changes with whatever is written to it or put in its place."""

    text: str = attrs.field(repr=False)
    status: os.stat_result

    @property
    def identity(self) -> tuple[int, ...]:
        status = self.status
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def write_file(path: str, credentials: ApiKeyCredentials) -> None:
    """Replace the three values in a file of JSON or of `KEY=value` lines; make it if there is none. Blocks.

    Everything else in it, its mode and its owner stay; a new file is JSON and its owner's alone. A
    link is followed. It is replaced by one rename (POSIX), so a reader sees the old or the new file.

    Raises:
        ConflictError: another writer was faster; nothing was written.
        ConfigurationError: it cannot be read or written, or hold the values; nothing was written.
    """
    failure: ConfigurationError | ConflictError
    try:
        _replace(Path(os.path.realpath(path)), credentials)
    except (ConfigurationError, ConflictError) as error:
        failure = type(error)(f"credentials file {path}: {error}")
    except UnicodeDecodeError:
        failure = ConfigurationError(f"the credentials file {path} is not UTF-8")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        failure = ConfigurationError(f"cannot write the credentials file {path}: {reason(error)}")
    else:
        return
    raise failure


def _replace(path: Path, credentials: ApiKeyCredentials) -> None:
    if path.is_dir():
        raise ConfigurationError("it is a folder, whose files cannot be replaced at once; name a file")
    with _locked(path) as stored:
        text = _new_text(stored.text if stored is not None else "", credentials)
        temporary = _write_beside(path, text, stored)
        try:
            if stored is None:
                os.link(temporary, path)  # fails where there is one by now
            elif _identity(path) == stored.identity:
                temporary.replace(path)
            else:
                raise ConflictError("it was changed by another writer meanwhile; nothing was written")
        except FileExistsError:
            raise ConflictError("another writer made it meanwhile; nothing was written") from None
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[_Stored | None]:
    """Yield what the file holds, None when there is none; other writers of this package are kept out."""
    try:
        _require_regular(path.stat())
        descriptor = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        yield None
        return
    with open(descriptor, encoding="utf-8", newline="") as file:  # noqa: PTH123 - what is checked next
        _require_regular(os.fstat(descriptor))
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError("another writer is writing it; nothing was written") from None
            except OSError:  # a file system without locks; the file's identity is compared in any case
                pass
        stored = _Stored(file.read(LARGEST + 1), os.fstat(descriptor))
        if len(stored.text) > LARGEST:
            raise ConfigurationError(f"it is larger than {LARGEST} characters")
        if sys.platform == "win32":
            file.close()  # it replaces no file that is open; elsewhere the lock would go
        yield stored


def _require_regular(status: os.stat_result) -> None:
    """Raise unless it is a regular file: the rename would put the secret in the place of a device."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError("it is no regular file, and only such a one is replaced")


def _identity(path: Path) -> tuple[int, ...]:
    try:
        return _Stored("", path.stat()).identity
    except FileNotFoundError:
        return ()


def _write_beside(path: Path, text: str, stored: _Stored | None) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            if stored is not None:
                _keep_owner_and_mode(descriptor, stored.status)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _keep_owner_and_mode(descriptor: int, status: os.stat_result) -> None:
    if sys.platform != "win32":
        made = os.fstat(descriptor)
        if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
            # Before the mode, some bits of which it takes away.
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _sync_folder(folder: Path) -> None:
    """Let the rename itself outlast a power cut, where folders can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _new_text(text: str, credentials: ApiKeyCredentials) -> str:
    """Return the file's new text."""
    body = text.removeprefix("\ufeff").strip()
    if body.startswith("{") or not body:
        document = parse_object(body or "{}")
        if isinstance(document, ConfigurationError):
            raise type(document)(str(document))
        new = format_object(replace_credentials(document, credentials), like=text or "\n")
        if isinstance(new, ConfigurationError):
            raise new
        return new + ("\n" if text.endswith("\n") or not body else "")
    before = parse_document(text)
    if isinstance(before, ConfigurationError):
        raise type(before)(str(before))
    new = _replace_lines(text, credentials)
    after = parse_document(new)
    if (
        isinstance(after, ConfigurationError)
        or read_credentials(after) != credentials
        or _others(after) != _others(before)
    ):
        raise ConfigurationError("its form cannot hold these values; make it a JSON object")
    return new


def _others(document: Mapping[str, Any]) -> Mapping[str, Any]:
    ours = {name for names in SPELLINGS.values() for name in names}
    return {name: value for name, value in document.items() if name not in ours}


def _replace_lines(text: str, credentials: ApiKeyCredentials) -> str:
    fields = {name: field for field, names in SPELLINGS.items() for name in names}
    lines, missing = [], set(SPELLINGS)
    for line in text.splitlines(keepends=True):
        begin, separator, _ = line.partition("=")
        field = fields.get(begin.strip().removeprefix("export ").strip()) if separator else None
        if field is None:
            lines.append(line)
            continue
        missing.discard(field)
        end = line[len(line.rstrip("\r\n")) :]
        lines.append(f"{begin}={_quoted(getattr(credentials, field))}{end}")
    if missing and lines and not lines[-1].endswith("\n"):
        lines.append("\n")
    style = 1 if any(name in text for names in SPELLINGS.values() for name in names[1:]) else 0
    lines += [
        f"{names[style]}={_quoted(getattr(credentials, f))}\n"
        for f, names in SPELLINGS.items()
        if f in missing
    ]
    return "".join(lines)


def _quoted(value: str) -> str:
    """Return a value as `.env` files have it: in quotes where a blank, `#` or a quote is in it."""
    if not any(character in value for character in " #'\"\\$`"):
        return value
    quote = '"' if "'" in value else "'"
    return f"{quote}{value}{quote}"
