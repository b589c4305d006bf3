"""The JSON object that a secret manager keeps, to credentials and back; pure.

What may hold the secret is returned or compared, never raised from: a collector of tracebacks
with their locals would find it in the frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import CREDENTIAL_VARIABLES
from scope_async.errors import ConfigurationError, MissingApiKeyError

SPELLINGS = {field: (field, *names) for field, names in CREDENTIAL_VARIABLES.items()}
"""The names of each value, the plain one first, then those of the environment."""


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
    """Return the credentials in `document`, or the error to raise, which names every problem."""
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
            values[field] = document[present[0]].strip()
    if missing:
        problems.insert(0, f"it has no {', '.join(missing)}")
    if problems:
        return (MissingApiKeyError if missing else ConfigurationError)("; ".join(problems))
    try:
        return ApiKeyCredentials(**values)
    except ConfigurationError as error:
        return type(error)(str(error))


def replace_credentials(document: Mapping[str, Any], credentials: ApiKeyCredentials) -> dict[str, Any]:
    """Return `document` with these credentials; every other value and the spelling in use stay."""
    present = {name for names in SPELLINGS.values() for name in names if name in document}
    default = 1 if any(name.startswith("SCOPE_") for name in present) else 0
    replaced = dict(document)
    for field, spellings in SPELLINGS.items():
        for name in present.intersection(spellings) or {spellings[default]}:
            replaced[name] = getattr(credentials, field)
    return replaced


def format_object(document: Mapping[str, Any], like: str) -> str | ConfigurationError:
    """Return `document` as JSON, over several lines where `like` was; or the error to raise."""
    try:
        return json.dumps(
            document, indent=2 if "\n" in like.strip() else None, ensure_ascii=False, allow_nan=False
        )
    except ValueError:
        return ConfigurationError("it holds a number that JSON cannot express; nothing was written")


def check_storable(credentials: ApiKeyCredentials) -> None:
    """Refuse values that would not come back as they are, before anything is written.

    Raises:
        ConfigurationError: one has a newline, a control character or blanks around it.
    """
    refused = [field for field in SPELLINGS if not _is_one_word(getattr(credentials, field))]
    if refused:
        raise ConfigurationError(
            f"{' and '.join(refused)} must be one printable line without blanks around it; "
            "nothing was written"
        )


def _is_one_word(value: str) -> bool:
    return value.isprintable() and value == value.strip()
