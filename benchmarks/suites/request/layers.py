"""The CPU time of one uncached request, layer by layer.

Each step adds one part to the request of the step before, and the difference within a round is the
cost of that part.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from aiohttp import ClientTimeout
from aiohttp.hdrs import AUTHORIZATION
from multidict import CIMultiDict
from yarl import URL

from benchmarks.harness.closed_loop import Fetch, bare_fetch, bare_session, cost
from benchmarks.harness.interleave import interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CHANGING, CREDENTIALS, SAME, server_process
from benchmarks.reporting.bar_chart import BarChart
from scope_async import ScopeClient
from scope_async.http.messages import Reply, Request, default_headers, request_headers
from scope_async.prompts.reference import PromptRef

AT_ONCE = 50
REQUESTS = 300
GREETING = PromptRef.of(SAME)

BARE = "bare aiohttp, json.loads of the reply"
STEPS = {
    "our headers and options": "request id, environment, token; time limits, no redirects",
    "transport": "a turn at a connection, one deadline, errors and retries, the reply as bytes",
    "token": "the valid token, and the rule for 401",
    "compared, not decoded": "the answer is the one that is known: no json.loads",
    "cache and client": "arguments, the order of fetches, the copy stored",
}
CHANGED = "decoded, where the answer is new"


async def layers(*, rounds: int) -> tuple[list[Result], BarChart]:
    """Return the CPU time of each layer, and a chart."""
    with server_process() as url:
        async with (
            bare_session() as bare,
            aiohttp.ClientSession(
                headers=default_headers("production"), cookie_jar=aiohttp.DummyCookieJar()
            ) as alike,
            ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope,
        ):
            fetches = await _fetches(url, bare, alike, scope)
            measures = {name: cost(fetch, AT_ONCE, REQUESTS) for name, fetch in fetches.items()}
            taken = await interleave(measures, rounds)
    names = [BARE, *STEPS]
    more = {name: _difference(taken, name, before) for before, name in zip(names, STEPS, strict=False)}
    whole, changed = _difference(taken, names[-1], BARE), _difference(taken, CHANGED, names[-1])
    floor = Spread.of(taken[BARE])
    results = [
        Result.informative(BARE, floor, "µs of CPU", digits=1, detail=f"{AT_ONCE} at once"),
        *(
            Result.informative(f"+ {name}", spread, "µs", digits=1, detail=STEPS[name])
            for name, spread in more.items()
        ),
        Result.informative("all of it beyond bare aiohttp", whole, "µs", digits=1),
        Result.informative(
            f"+ {CHANGED}", changed, "µs", digits=1, detail="json.loads, and every field checked"
        ),
    ]
    chart = BarChart(
        f"An uncached request: {whole.median:.0f} µs beyond bare aiohttp, "
        f"{whole.median + changed.median:.0f} µs where the answer is new",
        "CPU time of each part (µs)",
        {
            BARE: floor.median,
            **{f"+ {name}": spread.median for name, spread in more.items()},
            f"+ {CHANGED}": changed.median,
        },
    )
    return results, chart


async def _fetches(
    server: str, bare: aiohttp.ClientSession, alike: aiohttp.ClientSession, scope: ScopeClient
) -> dict[str, Fetch]:
    url = URL(f"{server}/api/v1/prompts/{SAME}/production")
    remote, transport = scope._prompts._endpoint, scope._transport  # noqa: SLF001 - they are what is measured
    bearer = remote._token_provider  # noqa: SLF001
    authorization = (await scope.tokens.get()).authorization
    known = await remote.fetch(GREETING)
    limits = ClientTimeout(total=30, sock_connect=10)

    async def called_alike() -> Any:
        headers = CIMultiDict({"X-Request-ID": "id", AUTHORIZATION: authorization})
        async with alike.get(url, headers=headers, allow_redirects=False, timeout=limits) as response:
            return json.loads(await response.read())

    def request() -> Request:
        return Request(operation="layers", method="GET", url=url, headers=request_headers())

    async def transported() -> Any:
        ours = request()
        ours.headers[AUTHORIZATION] = authorization
        return await transport.call(ours, read)

    return {
        BARE: bare_fetch(bare, server, SAME),
        "our headers and options": called_alike,
        "transport": transported,
        "token": lambda: transport.call(request(), read, token_provider=bearer),
        "compared, not decoded": lambda: remote.fetch(GREETING, known=known),
        "cache and client": lambda: scope.get_prompt_version(SAME, cache=False),
        CHANGED: lambda: scope.get_prompt_version(CHANGING, cache=False),
    }


def read(reply: Reply) -> Any:
    return json.loads(reply.body)


def _difference(taken: dict[str, list[float]], name: str, before: str) -> Spread:
    return Spread.of([more - less for more, less in zip(taken[name], taken[before], strict=True)])
