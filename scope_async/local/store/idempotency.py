"""Results by `Idempotency-Key`, so that a repeated request creates one API key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from scope_async._core.clock import Clock
from scope_async.errors import ConflictError
from scope_async.local.identifiers import digest
from scope_async.local.store.database import Statement
from scope_async.local.store.key_models import NewKey

_KEPT = 1000
_SECONDS = 600.0


@frozen
class _Answer:
    new_key: NewKey
    until: float


@frozen
class IdempotentRequest:
    """A request that creates a key, and its `Idempotency-Key` (None: without)."""

    idempotency_key: str | None
    content_digest: bytes

    @classmethod
    def of(cls, idempotency_key: str | None, *content: Any) -> IdempotentRequest:
        return cls(idempotency_key, hashlib.sha256(json.dumps(content).encode()).digest())


class IdempotencyStore:
    """Remembers which key a request created, and for ten minutes, in memory only, its secret."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[bytes, tuple[bytes, str]] = {}
        self._answers: dict[bytes, _Answer] = {}

    def replace_all(self, made: Mapping[bytes, tuple[bytes, str]]) -> None:
        """Replace the content by that of a store: by digest of the key, the content digest and API key."""
        self._made = dict(made)
        self._answers.clear()

    def find_result(self, request: IdempotentRequest) -> NewKey | None:
        """Return the key that the same request created before, or None if the request is new.

        Raises:
            ConflictError: the idempotency key belongs to another request, or its secret is forgotten.
        """
        if request.idempotency_key is None:
            return None
        key_digest = digest(request.idempotency_key)
        if (made := self._made.get(key_digest)) is None:
            return None
        if made[0] != request.content_digest:
            raise conflict("idempotency_key_reused", "this Idempotency-Key was used for another request")
        answer = self._answers.get(key_digest)
        if answer is None or self._clock.monotonic() > answer.until:
            self._answers.pop(key_digest, None)
            raise conflict(
                "idempotency_key_expired",
                f"this request has already made {made[1]}; its secret cannot be shown again",
            )
        return answer.new_key

    def insert_statements(self, request: IdempotentRequest, new_key: NewKey) -> tuple[Statement, ...]:
        """Return the statements that store what `remember` keeps in memory."""
        if request.idempotency_key is None:
            return ()
        row = (digest(request.idempotency_key), request.content_digest, new_key.record.api_key)
        return (("INSERT INTO idempotency VALUES (?, ?, ?)", row),)

    def remember(self, request: IdempotentRequest, new_key: NewKey) -> None:
        """Remember the key that the request created."""
        if request.idempotency_key is None:
            return
        key_digest = digest(request.idempotency_key)
        self._made[key_digest] = (request.content_digest, new_key.record.api_key)
        self._answers[key_digest] = _Answer(new_key, self._clock.monotonic() + _SECONDS)
        if len(self._answers) > _KEPT:
            self._answers.pop(next(iter(self._answers)))


def conflict(code: str, message: str) -> ConflictError:
    """Return the error for a request that contradicts what the store has."""
    return ConflictError(message, http_status=409, error_code=code)
