"""What a rollover does next, by what the service and the secret manager hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scope_async.cli.rollover.steps import Situation, Step
from scope_async.keys import ApiKey


def key(api_key: str, *, status: str = "active", **fields: str) -> ApiKey:
    made = datetime(2026, 6, 1, tzinfo=UTC)
    return ApiKey(
        api_key=api_key, name="x", environment="production", status=status, created_at=made, **fields
    )


OLD, REPLACED = key("key_1"), key("key_1", replaced_by="key_2")
ENDED = key("key_1", status="revoked", replaced_by="key_2")
NEW, NEW_ENDED = key("key_2", replaces="key_1"), key("key_2", replaces="key_1", status="revoked")
OTHER = key("key_3", replaces="key_0")


@pytest.mark.parametrize(
    ("old", "stored", "step"),
    [
        (OLD, OLD, Step.MAKE),
        (OLD, None, Step.MAKE),
        (REPLACED, REPLACED, Step.MAKE),
        (REPLACED, None, Step.MAKE),
        (REPLACED, NEW_ENDED, Step.MAKE),
        (REPLACED, NEW, Step.WAIT),
        (REPLACED, key("key_2"), Step.WAIT),
        (OLD, OTHER, Step.ELSEWHERE),
        (REPLACED, OTHER, Step.ELSEWHERE),
        (ENDED, NEW, Step.DONE),
        (ENDED, ENDED, Step.REFUSE),
        (ENDED, None, Step.REFUSE),
        (ENDED, NEW_ENDED, Step.ELSEWHERE),
        (ENDED, OTHER, Step.ELSEWHERE),
    ],
)
def test_step_follows_from_the_key_and_from_what_is_stored(old, stored, step) -> None:
    assert Situation(old, stored).step is step
