from __future__ import annotations

import pytest

from scope_async.telemetry import events
from scope_async.telemetry.events import Event, RenewalFailed, TokenWaited

EVENTS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_event_is_a_frozen_value(kind) -> None:
    values = dict.fromkeys(kind.__struct_fields__, "x")
    event = kind(**values)
    assert event == kind(**values)
    assert hash(event) == hash(kind(**values))
    assert event != "x"
    for name in values:
        assert f"{name}='x'" in repr(event)
        assert event != kind(**values | {name: "y"})
        with pytest.raises(AttributeError):
            setattr(event, name, "y")


def test_event_never_equals_one_of_another_class() -> None:
    class Other(TokenWaited, frozen=True):
        pass

    assert TokenWaited(duration_ms=1.0) != Other(duration_ms=1.0)


def test_event_repr_shows_its_fields() -> None:
    event = RenewalFailed(error="ServerError", failures=2, retry_in_ms=500.0, request_id="r")
    assert repr(event) == "RenewalFailed(error='ServerError', failures=2, retry_in_ms=500.0, request_id='r')"
