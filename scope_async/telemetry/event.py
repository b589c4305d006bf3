"""The base class of all events."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True):
    """The base class of all events; times are in milliseconds."""
