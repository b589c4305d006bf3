"""Credentials as `export` lines and as an env file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import CREDENTIAL_VARIABLES
from scope_async.errors import ConfigurationError


def credential_variables(credentials: ApiKeyCredentials) -> dict[str, str]:
    """Return credentials as the three environment variables that the client reads."""
    return {names[0]: getattr(credentials, field) for field, names in CREDENTIAL_VARIABLES.items()}


def export_lines(variables: Mapping[str, str]) -> list[str]:
    """Return lines that a POSIX shell and `FileCredentials` can read."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


class EnvFile:
    """A new file of `KEY=value` lines that only its owner can read.

    Create it before the API key: the secret of a key is lost if it cannot be written.

    Raises:
        ConfigurationError: the file exists or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if str(path) == "-":
            raise ConfigurationError("- is no file to write to; without --write-env, stdout gets the values")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            # With the mode at creation, there is no moment at which others can open the file.
            self._descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            raise ConfigurationError(f"{path} exists already and is not overwritten") from None
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None

    def write(self, variables: Mapping[str, str]) -> None:
        """Write the variables to the disk (fsync) and close the file; a failure leaves no file.

        Raises:
            ConfigurationError: the file cannot be written, or a value holds a control character: a
                line end would make a second variable of its rest.
        """
        wrong = [name for name, value in variables.items() if not value.isprintable()]
        if wrong:
            self.discard()
            raise ConfigurationError(f"{', '.join(wrong)} holds a control character")
        try:
            with os.fdopen(self._descriptor, "w", encoding="utf-8") as file:
                file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from None

    def discard(self) -> None:
        """Close and remove the empty file."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)
