"""Tokens: concurrent callers without a token, and renewals under load; reads are in `micro`."""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks.harness.result import SuiteResult
from benchmarks.suites.tokens.official import official
from benchmarks.suites.tokens.renewal import auth_api_down, slow_renewals
from benchmarks.suites.tokens.waiters import memory, short_token, waiters


async def results(*, quick: bool) -> SuiteResult:
    here = find_spec("scope_client") is not None
    found = [
        *await waiters(rounds=3 if quick else 15),
        *await short_token(),
        *await memory(),
        *await slow_renewals(cycles=1 if quick else 6),
        *await auth_api_down(rounds=1 if quick else 2),
        *(await official() if here else ()),
    ]
    return SuiteResult(found, missing=[] if here else ["scope_client, the official SDK, and its renewals"])
