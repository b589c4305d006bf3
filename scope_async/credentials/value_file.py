"""Files whose whole text is one value, as Docker and Kubernetes mount a secret."""

from __future__ import annotations

from pathlib import Path

from scope_async.errors import ConfigurationError

LARGEST = 64 * 1024
"""Characters that are read of a credentials file at most; a larger one is no credentials file."""


def read_value(path: str, variable: str) -> str | ConfigurationError:
    """Return the text of the file that `variable` names, or the error to raise. Blocks."""
    try:
        text = read_text(path)
    except UnicodeDecodeError:
        return ConfigurationError(f"the file {path} ({variable}) is not UTF-8")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or too large
        return ConfigurationError(f"cannot read the file {path} ({variable}): {reason(error)}")
    if not text.strip():
        return ConfigurationError(f"the file {path} ({variable}) is empty")
    return text


def read_text(path: str) -> str:
    """Return the text of a file, of at most `LARGEST` characters, without a byte order mark. Blocks.

    Raises:
        OSError, ValueError: it cannot be read, or is larger.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} characters")
    return text.removeprefix("\ufeff")


def is_pipe(path: str) -> bool:
    """Return True if it is a named pipe, which cannot be read before something writes to it. Blocks."""
    try:
        return Path(path).is_fifo()
    except (OSError, ValueError):
        return False


def reason(error: Exception) -> str:
    """Return why a file could not be read, without its path."""
    return getattr(error, "strerror", None) or str(error)
