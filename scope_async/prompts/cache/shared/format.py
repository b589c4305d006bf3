"""A shared prompt version as bytes: a line of JSON about it, and the service's answer; no I/O."""

from __future__ import annotations

import json

import attrs

from scope_async.config import UnknownVariables
from scope_async.errors import ScopeError
from scope_async.http.messages import Reply
from scope_async.prompts.cache.snapshot_format import document_of
from scope_async.prompts.conditional import FetchedVersion, KnownVersion, Validator, is_entity_tag
from scope_async.prompts.decoding import read_prompt_version
from scope_async.prompts.version import PromptVersion, raw_json, with_flags
from scope_async.stores.shared_entries import SharedEntry


@attrs.frozen
class SharedCopy:
    """A version as the service had it `age` seconds ago."""

    version: PromptVersion
    validator: Validator | None
    age: float

    @property
    def fetched(self) -> FetchedVersion:
        """The copy as an answer to a fetch."""
        return FetchedVersion(self.version, self.validator, age=self.age)


def format_copy(answer: FetchedVersion, lifetime: float) -> bytes:
    """Return the bytes of an answer that is shared for `lifetime` seconds."""
    validator = answer.validator
    facts = {
        "lifetime": lifetime,
        "etag": None if validator is None else validator.etag,
        "api_key": None if validator is None else validator.api_key,
    }
    return json.dumps(facts).encode() + b"\n" + document_of(answer.version)


def read_copy(
    name: str, entry: SharedEntry, known: KnownVersion | None, unknown_variables: UnknownVariables
) -> SharedCopy | None:
    """Return the version in an entry, that of `known` if it is the same; None if it cannot be read."""
    line, _, document = entry.content.partition(b"\n")
    try:
        facts = json.loads(line)
        age = max(0.0, float(facts["lifetime"]) - entry.expires_in)
        etag, api_key = facts["etag"], facts["api_key"]
        if known is not None and raw_json(known.version) == document:
            version = with_flags(known.version) if known.version.is_stale else known.version
        else:
            reply = Reply(status=200, headers={}, body=document)
            version = read_prompt_version(reply, name=name, unknown_variables=unknown_variables)
    except (ScopeError, ValueError, TypeError, KeyError, RecursionError):  # of a format to come
        return None
    valid = is_entity_tag(etag) and isinstance(api_key, str)
    return SharedCopy(version, Validator(etag, api_key) if valid else None, age)
