"""Credentials as `export` lines and as a file, for shells and services."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import CREDENTIAL_VARIABLES
from scope_async.errors import ConfigurationError


def credential_variables(credentials: ApiKeyCredentials) -> dict[str, str]:
    """Return the three variables that carry credentials."""
    return {names[0]: getattr(credentials, field) for field, names in CREDENTIAL_VARIABLES.items()}


def export_lines(variables: Mapping[str, str]) -> list[str]:
    """Return lines that a POSIX shell and `FileCredentials` can read."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


class EnvFile:
    """A file of `KEY=value` lines that only its owner can read.

    Make it before the key that goes into it: a key whose secret cannot be stored is lost.

    Raises:
        ConfigurationError: it exists already, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            # The mode counts from the first moment: nobody can open it in between.
            self._descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            raise ConfigurationError(f"{path} exists already and is not overwritten") from None
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None

    def write(self, variables: Mapping[str, str]) -> None:
        """Write the variables to the disk and close the file.

        Raises:
            ConfigurationError: the disk does not take them.
        """
        try:
            with os.fdopen(self._descriptor, "w", encoding="utf-8") as file:
                file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from None

    def discard(self) -> None:
        """Remove the file, which nothing was written to."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)
