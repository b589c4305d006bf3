"""Reads credentials from a JSON object or from lines of `KEY=value`; pure.

Errors are returned, to be raised where no local holds the secret: a collector of tracebacks with
their locals would find it in the frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scope_async.credentials.api_key import ApiKeyCredentials
from scope_async.credentials.dotenv import parse_lines
from scope_async.environment import CREDENTIAL_VARIABLES
from scope_async.errors import ConfigurationError, MissingApiKeyError

SPELLINGS = {field: (field, *names) for field, names in CREDENTIAL_VARIABLES.items()}
"""The names of each value, the plain one first, then those of the environment."""


def parse_document(text: str) -> Mapping[str, Any] | ConfigurationError:
    """Return what a credentials file holds, by the names it has there, or the error to raise."""
    text = text.lstrip("\ufeff")
    return parse_object(text) if text.lstrip().startswith("{") else parse_lines(text)


def parse_object(text: str) -> dict[str, Any] | ConfigurationError:
    """Return the JSON object in `text`, or the error to raise."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # carries the whole text
        return ConfigurationError("what it holds is not valid JSON")
    if not isinstance(document, dict):
        return ConfigurationError(f"what it holds is a JSON {type(document).__name__}, not an object")
    return document


def read_credentials(document: Mapping[str, Any]) -> ApiKeyCredentials | ConfigurationError:
    """Return the credentials in `document`, or the error to raise, which names every problem.

    Only the three values are looked at; whatever else is there may be anything.
    """
    values: dict[str, str] = {}
    missing, problems = [], []
    for field, spellings in SPELLINGS.items():
        present = [name for name in spellings if document.get(name) not in (None, "")]
        wrong = [name for name in present if not isinstance(document[name], str)]
        if wrong:
            problems.append(f"{' and '.join(wrong)} must be a string")
        elif len({document[name].strip() for name in present}) > 1:
            problems.append(f"{' and '.join(present)} hold different values; remove one of them")
        elif not present:
            missing.append(f"{field} (or {' or '.join(spellings[1:])})")
        else:
            values[field] = document[present[0]]
    if missing:
        problems.insert(0, f"it has no {', '.join(missing)}")
    if problems:
        return (MissingApiKeyError if missing else ConfigurationError)("; ".join(problems))
    try:
        return ApiKeyCredentials(**values)
    except ConfigurationError as error:
        return type(error)(str(error))
