"""The rules of RFC 5861, of failures and of ages, a row for each case.

Unless a row says otherwise: a copy stored at 0 that is fresh for 300 s, 60 s of
stale-while-revalidate, 1000 s of stale-if-error, and a failure that may be retried at 400.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scope_async.errors import ConnectionError
from scope_async.prompts.cache.backoff import LONGEST_DELAY, FailureState
from scope_async.prompts.cache.memory import CacheEntry
from scope_async.prompts.cache.policy import (
    Decision,
    Fetch,
    Fresh,
    Revalidate,
    ServeStale,
    StaleLimits,
    UseFallback,
    decide,
    decide_after_failure,
)
from scope_async.prompts.cache.snapshot_format import SnapshotEntry
from scope_async.prompts.version import PromptVersion

VERSION = PromptVersion(name="p", content="x")
COPY = CacheEntry(VERSION, stored_at=0.0, ttl=300.0, sequence=1, fresh_until=300.0)
EXPIRED = replace(COPY, fresh_until=float("-inf"), is_expired=True)
SAVED = SnapshotEntry(VERSION, stored_at=1_700_000_000.0)
DOWN = ConnectionError("no route")
FAILED = FailureState(failures=1, retry_at=400.0, error=DOWN)
LIMITS = StaleLimits(while_revalidate=60.0, if_error=1000.0)
NO_LIMITS = StaleLimits(while_revalidate=0.0, if_error=0.0)
LONG_REVALIDATION = StaleLimits(while_revalidate=1000.0, if_error=0.0)
STALE = ServeStale(COPY, DOWN)
STALE_AND_REFRESH = ServeStale(COPY, DOWN, refresh=True)
FROM_SNAPSHOT = ServeStale(SAVED, DOWN)
FALLBACK = UseFallback("text", DOWN)
FETCH_OR_COPY = Fetch(copy=COPY)


def case(id: str, now: float, expected: Decision | None, **given: Any) -> Any:
    return pytest.param(now, expected, given, id=id)


@pytest.mark.parametrize(
    ("now", "expected", "given"),
    [
        # Nothing has failed: RFC 5861 section 3.
        case("nothing is stored", 0, Fetch(), entry=None),
        case("nothing is stored, with a fallback", 0, Fetch(), entry=None, fallback="text"),
        case("fresh", 299.9, Fresh(VERSION)),
        case("the end of freshness", 300, Revalidate(VERSION)),
        case("stale while revalidate", 359.9, Revalidate(VERSION)),
        case("the end of stale while revalidate", 360, FETCH_OR_COPY),
        case("no stale while revalidate", 300, Fetch(), limits=NO_LIMITS),
        case("stale if error without an error", 500, FETCH_OR_COPY),
        # Whoever has a copy waits at most `stale_timeout`: the memory's, else the snapshot's.
        case("the last moment of stale if error, without an error", 1299.9, FETCH_OR_COPY),
        case("the end of stale if error, without an error", 1300, Fetch()),
        case("a copy in memory and in the snapshot", 500, FETCH_OR_COPY, saved=SAVED),
        case("a copy in the snapshot alone", 0, Fetch(copy=SAVED), entry=None, saved=SAVED),
        case("a copy too old, one in the snapshot", 1300, Fetch(copy=SAVED), saved=SAVED),
        case("a fallback is no copy", 0, Fetch(), entry=None, fallback="text"),
        case("fresh, with a snapshot", 299.9, Fresh(VERSION), saved=SAVED),
        # The caller's cache_ttl counts from when the copy was stored.
        case("younger than cache_ttl", 9.9, Fresh(VERSION), ttl=10),
        case("older than cache_ttl", 10, Revalidate(VERSION), ttl=10),
        case("past cache_ttl and revalidation", 70, FETCH_OR_COPY, ttl=10),
        case("a cache_ttl longer than the copy's own", 599.9, Fresh(VERSION), ttl=600),
        # An expired copy was answered by an error that is neither 403 nor 404.
        case("expired", 1, Fetch(copy=EXPIRED), entry=EXPIRED),
        case("expired, with a cache_ttl", 1, Fetch(copy=EXPIRED), entry=EXPIRED, ttl=10),
        case("expired, and the service fails", 1, ServeStale(EXPIRED, DOWN), entry=EXPIRED, failure=FAILED),
        # A failure is known.
        case("fresh in an outage", 299, Fresh(VERSION), failure=FAILED),
        case("revalidation before the delay is over", 310, STALE, failure=FAILED),
        case(
            "revalidation after the delay",
            310,
            STALE_AND_REFRESH,
            failure=replace(FAILED, retry_at=305.0),
        ),
        case(
            "revalidation in flight",
            310,
            STALE,
            failure=replace(FAILED, retry_at=305.0),
            in_flight=True,
        ),
        case("a failure not yet due", 399.9, STALE, failure=FAILED),
        case("a failure due", 400, STALE_AND_REFRESH, failure=FAILED),
        case("a failure due and in flight", 400, STALE, failure=FAILED, in_flight=True),
        case("the last moment of a recent failure", 399 + LONGEST_DELAY, STALE_AND_REFRESH, failure=FAILED),
        case("a failure of long ago", 400 + LONGEST_DELAY, Fetch(retry=False, copy=COPY), failure=FAILED),
        case("a failure of long ago, in flight", 500, STALE, failure=FAILED, in_flight=True),
        # The end of stale-if-error: RFC 5861 section 4.
        case(
            "the last moment of stale if error",
            1299.9,
            STALE,
            failure=replace(FAILED, retry_at=1400.0),
        ),
        case(
            "the end of stale if error",
            1300,
            Fetch(),
            failure=replace(FAILED, retry_at=1400.0),
        ),
        case(
            "revalidation outlasts stale if error",
            1299,
            STALE_AND_REFRESH,
            failure=FAILED,
            limits=LONG_REVALIDATION,
        ),
        # What stands in, in this order: memory, snapshot, fallback.
        case("memory before snapshot", 370, STALE, failure=FAILED, saved=SAVED, fallback="text"),
        case("snapshot only", 370, FROM_SNAPSHOT, entry=None, failure=FAILED, saved=SAVED),
        case(
            "snapshot before fallback",
            370,
            FROM_SNAPSHOT,
            entry=None,
            failure=FAILED,
            saved=SAVED,
            fallback="text",
        ),
        case("snapshot of a copy too old", 370, FROM_SNAPSHOT, failure=FAILED, saved=SAVED, limits=NO_LIMITS),
        case(
            "snapshot only, due",
            400,
            ServeStale(SAVED, DOWN, refresh=True),
            entry=None,
            failure=FAILED,
            saved=SAVED,
        ),
        case(
            "snapshot only, long ago",
            500,
            Fetch(retry=False, copy=SAVED),
            entry=None,
            failure=FAILED,
            saved=SAVED,
        ),
        case("fallback only, not yet due", 370, FALLBACK, entry=None, failure=FAILED, fallback="text"),
        case(
            "fallback only, due: one reader asks", 400, Fetch(), entry=None, failure=FAILED, fallback="text"
        ),
        case(
            "fallback only, in flight: the others do not wait",
            400,
            FALLBACK,
            entry=None,
            failure=FAILED,
            fallback="text",
            in_flight=True,
        ),
        case("an empty fallback is one", 370, UseFallback("", DOWN), entry=None, failure=FAILED, fallback=""),
        case("nothing stands in, not yet due", 370, Fetch(), entry=None, failure=FAILED),
        case("nothing stands in, due", 400, Fetch(), entry=None, failure=FAILED),
    ],
)
def test_decide(now: float, expected: Decision, given: dict[str, Any]) -> None:
    given = {"entry": COPY, "failure": None, "ttl": None, "limits": LIMITS, **given}
    assert decide(now=now, **given) == expected


@pytest.mark.parametrize(
    ("now", "expected", "given"),
    [
        case("a copy within stale if error", 500, STALE),
        case("a copy within stale while revalidate", 310, STALE),
        case("a copy that became fresh meanwhile", 100, Fresh(VERSION)),
        case("a copy too old for cache_ttl", 100, STALE, ttl=10),
        case("a copy past stale if error", 1300, None),
        case("an expired copy", 100, ServeStale(EXPIRED, DOWN), entry=EXPIRED),
        case("a snapshot", 100, FROM_SNAPSHOT, entry=None, saved=SAVED),
        case("a fallback", 100, FALLBACK, entry=None, fallback="text"),
        case("memory before the others", 500, STALE, saved=SAVED, fallback="text"),
        case("nothing", 100, None, entry=None),
    ],
)
def test_decide_after_failure(now: float, expected: Decision | None, given: dict[str, Any]) -> None:
    given = {"entry": COPY, "error": DOWN, "ttl": None, "limits": LIMITS, **given}
    assert decide_after_failure(now=now, **given) == expected
