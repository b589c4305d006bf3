"""New credentials in the document that holds the old ones; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scope_async.credentials.api_key import ApiKeyCredentials
from scope_async.credentials.document import SPELLINGS
from scope_async.errors import ConfigurationError


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
