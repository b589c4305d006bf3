"""`SharedExchange`: one process exchanges the credentials, and all that share its store use the token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import attrs
import msgspec

from scope_async.auth.exchange import Exchange, ExchangeResponse
from scope_async.auth.refresh_policy import extends_lifetime, usable_for
from scope_async.auth.token import AccessToken
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ApiError, ConnectionError, InvalidCredentialsError
from scope_async.http.messages import TOKEN
from scope_async.stores.client_store import ClientStore
from scope_async.stores.protocol import Change
from scope_async.stores.shared_entries import Fetched, SharedEntries, SharedEntry, Slot

_COOLDOWN = 0.5
"""Seconds without an exchange after one that failed, for all processes together."""

_LONGEST_COOLDOWN = 30.0


@attrs.frozen
class _KnownToken:
    """The token that this process has; `version` is that of its entry, empty if it was not shared."""

    response: ExchangeResponse
    asked_at: float
    api_key: str
    slot: Slot
    version: str

    @property
    def expires_at(self) -> float:
        return self.asked_at + self.response.lifetime


class SharedExchange:
    """An `Exchange` that takes the token from the store, or makes the exchange for all.

    A token that another process has renewed is passed to `on_newer` as soon as the store reports
    it, with its API key and the instant that its life counts from. While the store is unavailable,
    every process exchanges for itself.
    """

    def __init__(
        self,
        exchange: Exchange,
        store: ClientStore,
        *,
        monotonic: Callable[[], float],
        on_newer: Callable[[ExchangeResponse, str, float], None],
    ) -> None:
        self._exchange = exchange
        self._store = store
        self._background = store.background
        self._monotonic = monotonic
        self._on_newer = on_newer
        self._held: _KnownToken | None = None
        self._calls: set[object] = set()
        store.subscribe(self._changed)
        # A call that ends with its event loop, or is left behind by a fork, is not discarded otherwise.
        store.background.on_stopped(self._calls.clear)

    async def __call__(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        entries = self._store.entries_for(credentials)
        if entries is None:
            return await self._exchange(credentials, rejected=rejected)
        call = object()
        self._calls.add(call)
        try:
            self._held = held = await self._obtain(entries, credentials, rejected)
        finally:
            self._calls.discard(call)
        return held.response

    async def _obtain(
        self, entries: SharedEntries, credentials: ApiKeyCredentials, rejected: AccessToken | None
    ) -> _KnownToken:
        slot = entries.slot("token")
        held = self._held if self._held is not None and self._held.slot == slot else None
        known = "" if held is None else held.version
        refused = None if rejected is None else rejected.value
        if known and held is not None and held.response.value == refused:
            entries.delete_later(slot, known)
        taken: ExchangeResponse | None = None
        own: ExchangeResponse | None = None

        def accept(entry: SharedEntry) -> bool:
            nonlocal taken
            taken = self._read(entry)
            if taken is None:
                return False
            if taken.value == refused:
                entries.delete_later(slot, entry.version)
                return False
            return refused is not None or self._is_as_new(taken, held)

        async def fetch() -> Fetched:
            nonlocal own
            asked_at = self._monotonic()
            response = await self._exchange(credentials, rejected=rejected)
            own = msgspec.structs.replace(
                response, asked_at=asked_at if response.asked_at is None else response.asked_at
            )
            return Fetched(_format(own), lifetime=own.lifetime)

        found = await entries.obtain(slot, fetch, known=known, accept=accept, cooldown=_cooldown)
        response = taken if isinstance(found, SharedEntry) else own
        assert response is not None  # noqa: S101 - one of the two functions has returned it
        assert response.asked_at is not None  # noqa: S101 - both set it
        return _KnownToken(response, response.asked_at, credentials.api_key, slot, found.version)

    def _read(self, entry: SharedEntry) -> ExchangeResponse | None:
        """Return the token of an entry if it can still be used."""
        try:
            document = json.loads(entry.content)
            value, lifetime = str(document["token"]), float(document["lifetime"])
        except (ValueError, TypeError, KeyError):  # of a format to come
            return None
        if not re.fullmatch(TOKEN, value) or entry.expires_in <= lifetime - usable_for(lifetime):
            return None
        asked_at = self._monotonic() - (lifetime - entry.expires_in)
        return ExchangeResponse(value, lifetime, asked_at=asked_at, shared=True)

    def _is_as_new(self, taken: ExchangeResponse, held: _KnownToken | None) -> bool:
        """Return True unless the token expires noticeably earlier than the one held."""
        if held is None or taken.asked_at is None or held.expires_at <= self._monotonic():
            return True
        lost = held.expires_at - (taken.asked_at + taken.lifetime)
        return not extends_lifetime(gained=lost, lifetime=taken.lifetime)

    def _changed(self, change: Change) -> None:
        held = self._held
        if held is None or self._calls:
            return
        if change.kind == "resync" or (
            change.kind == "put" and change.name == held.slot.name and change.version != held.version
        ):
            self._background.spawn(self._take, held)

    async def _take(self, held: _KnownToken) -> None:
        """Hand over the entry's token if it is another than the one held, and as good."""
        entries = await self._store.entries()
        entry = None if entries is None else await entries.get(held.slot)
        if entry is None or entry.version == held.version or self._held is not held or self._calls:
            return
        taken = self._read(entry)
        if taken is None or taken.asked_at is None or taken.value == held.response.value:
            return
        if self._is_as_new(taken, held):
            self._held = _KnownToken(taken, taken.asked_at, held.api_key, held.slot, entry.version)
            self._on_newer(taken, held.api_key, taken.asked_at)


def _format(response: ExchangeResponse) -> bytes:
    return json.dumps({"token": response.value, "lifetime": response.lifetime}).encode()


def _cooldown(error: BaseException) -> float:
    """Return for how many seconds no process exchanges after this failure."""
    if not isinstance(error, Exception) or isinstance(error, InvalidCredentialsError | ConnectionError):
        # Each process finds out for itself: the key may be another one, the network its own.
        return 0.0
    asked = error.retry_after if isinstance(error, ApiError) else None
    return min(max(asked or 0.0, _COOLDOWN), _LONGEST_COOLDOWN)
