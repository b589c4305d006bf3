"""Credentials in a folder with a file per value, as Kubernetes and Docker mount a secret."""

from __future__ import annotations

import os
from pathlib import Path

from scope_async.credentials.api_key import ApiKeyCredentials
from scope_async.credentials.document import SPELLINGS, read_credentials
from scope_async.credentials.value_file import read_text, reason
from scope_async.errors import ConfigurationError

_NAMES = frozenset(name for names in SPELLINGS.values() for name in names)
_ATTEMPTS = 3


def read_folder(path: str) -> ApiKeyCredentials | ConfigurationError:
    """Return the credentials in a folder, or the error to raise. Blocks.

    The files are called `org_id`, `api_key` and `api_secret`, or by the environment's names for
    them; others are ignored. All are read of one generation: where the kubelet mounts a secret,
    `..data` is a link to the current one, which it replaces at once and whose predecessor it then
    removes; so the link is followed once, and again if that generation has gone meanwhile.
    https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
    """
    try:
        for _ in range(_ATTEMPTS):
            generation = _generation(path)
            values = _read_files(generation)
            if _generation(path) == generation:
                found = read_credentials(values)
                if isinstance(found, ConfigurationError):
                    return type(found)(f"credentials folder {path}: {found}")
                return found
    except UnicodeDecodeError:
        return ConfigurationError(f"a file in the credentials folder {path} is not UTF-8")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or a file too large
        return ConfigurationError(f"cannot read the credentials folder {path}: {reason(error)}")
    return ConfigurationError(f"the credentials folder {path} changes while it is read")


def _generation(path: str) -> str:
    link = os.path.join(path, "..data")  # noqa: PTH118 - Path knows no `..data` that is no parent
    return os.path.realpath(link if os.path.lexists(link) else path)


def _read_files(generation: str) -> dict[str, str]:
    values = {}
    for name in _NAMES.intersection(os.listdir(generation)):  # noqa: PTH208 - names are enough
        try:
            values[name] = read_text(str(Path(generation, name)))
        except FileNotFoundError:  # removed with its generation, which the caller notices
            continue
    return values
