"""Reads the credentials in a file or a folder. Blocks."""

from __future__ import annotations

from pathlib import Path

from scope_async.credentials.api_key import ApiKeyCredentials
from scope_async.credentials.document import parse_document, read_credentials
from scope_async.credentials.folder import read_folder
from scope_async.credentials.value_file import read_text, reason
from scope_async.errors import ConfigurationError, MissingApiKeyError


def read_path(path: str) -> ApiKeyCredentials | ConfigurationError:
    """Return the credentials in a file or a folder, or the error to raise. Blocks.

    The error is not raised here, and has no cause: a collector of tracebacks with their locals
    would find the file's text in the frames, and the decoders' errors carry it as well.
    """
    try:
        if Path(path).is_dir():
            return read_folder(path)
        document = parse_document(read_text(path))
    except FileNotFoundError as error:
        return MissingApiKeyError(f"cannot read the credentials file {path}: {reason(error)}")
    except UnicodeDecodeError:
        return ConfigurationError(f"the credentials file {path} is not UTF-8")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or too large
        return ConfigurationError(f"cannot read the credentials file {path}: {reason(error)}")
    found = document if isinstance(document, ConfigurationError) else read_credentials(document)
    if isinstance(found, ConfigurationError):
        return type(found)(f"credentials file {path}: {found}")
    return found
