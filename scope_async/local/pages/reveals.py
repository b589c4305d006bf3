"""Secrets on their way to the one page that shows them."""

from __future__ import annotations

from attrs import field, frozen

from scope_async._core.clock import Clock
from scope_async.local.key_record import KeyRecord, NewKey

_SECONDS = 300.0
"""How long a secret waits for a browser that has just been told where it is."""
_KEPT = 1000


@frozen
class Reveal:
    """A new key with its secret, and the key that it replaces."""

    new_key: NewKey = field(repr=False)
    replaced: KeyRecord | None = None


@frozen
class _Offer:
    reveal: Reveal
    until: float


class Reveals:
    """Gives out what each form has made, once.

    A form sent twice makes one key (see `Act.idempotency_key`); that key is not offered again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offers: dict[str, _Offer | None] = {}

    def offer(self, form_id: str, reveal: Reveal) -> None:
        """Keep what a form has made until it is taken, for five minutes; the first offer counts."""
        self._forget_late()
        if form_id in self._offers:
            return
        self._offers[form_id] = _Offer(reveal, self._clock.monotonic() + _SECONDS)
        if len(self._offers) > _KEPT:
            self._offers.pop(next(iter(self._offers)))

    def take(self, form_id: str) -> Reveal | None:
        """Return what the form has made; None from the second time on."""
        self._forget_late()
        offer = self._offers.get(form_id)
        if offer is None:
            return None
        self._offers[form_id] = None
        return offer.reveal

    def _forget_late(self) -> None:
        now = self._clock.monotonic()
        late = [name for name, offer in self._offers.items() if offer is not None and now >= offer.until]
        self._offers.update(dict.fromkeys(late))
