"""What a rollover has to do next, from what the service and the secret manager say; pure.

There is no other state, so that a rollover which was interrupted goes on where it was.
"""

from __future__ import annotations

from enum import Enum

import attrs

from scope_async.keys.models import ApiKey


class Step(Enum):
    """What is to be done next."""

    MAKE = "make a successor and store it"
    WAIT = "wait until the old key is idle, then revoke it"
    DONE = "nothing"
    ELSEWHERE = "nothing: another key is stored there"
    REFUSE = "nothing: a person has to look"


@attrs.frozen
class Situation:
    """The key that is to be replaced, and the key whose credentials are stored; None for no credentials."""

    key: ApiKey
    stored: ApiKey | None

    @property
    def successor(self) -> ApiKey | None:
        """The stored key, if it replaces the old one and works."""
        stored, key = self.stored, self.key
        if stored is None or not stored.is_active:
            return None
        return stored if stored.replaces == key.api_key or key.replaced_by == stored.api_key else None

    @property
    def is_stored(self) -> bool:
        """True while the old key is the one that is stored."""
        return self.stored is not None and self.stored.api_key == self.key.api_key

    @property
    def step(self) -> Step:
        stored, key = self.stored, self.key
        if self.successor is not None:
            return Step.WAIT if key.is_active else Step.DONE
        if not key.is_active:
            return Step.REFUSE if self.is_stored or stored is None else Step.ELSEWHERE
        # A successor that has ended was stored, and then revoked: another one takes its place.
        if stored is None or self.is_stored or stored.replaces == key.api_key:
            return Step.MAKE
        return Step.ELSEWHERE
