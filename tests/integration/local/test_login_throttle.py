"""The login throttle under load: guesses fail, the service keeps its access, the audit trail stays small."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import aiohttp

from scope_async.local import LocalScope
from scope_async.local.identifiers import new_secret

GUESSES = 10_000
CONNECTIONS = 50
LOGIN = "/v1/auth/applications/login"


async def test_login_throttle_bounds_ten_thousand_wrong_secrets_from_fifty_connections(
    tmp_path: Path,
) -> None:
    store = tmp_path / "scope.db"
    statuses: Counter[int] = Counter()
    async with LocalScope(store) as local:
        good = local.credentials
        body = {"account_id": good.org_id, "client_id": good.api_key}
        left = iter(range(GUESSES))

        async def guess(session: aiohttp.ClientSession) -> None:
            for number in left:
                # Every second one has a correct checksum, so that it is looked up.
                secret = new_secret("secret") if number % 2 else f"secret_guess{number}"
                async with session.post(LOGIN, json={**body, "client_secret": secret}) as reply:
                    statuses[reply.status] += 1

        async def login(session: aiohttp.ClientSession) -> int:
            async with session.post(LOGIN, json={**body, "client_secret": good.api_secret}) as reply:
                return reply.status

        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with (
            aiohttp.ClientSession(local.url, connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as guesser,
            aiohttp.ClientSession(local.url, connector=elsewhere) as service,
        ):
            guesses = asyncio.gather(*(guess(guesser) for _ in range(CONNECTIONS)))
            during = await login(service)
            await guesses
            assert [during, await login(service)] == [200, 200]
            # The right secret is refused from the guesser's address, too.
            assert await login(guesser) == 429
    assert statuses.total() == GUESSES
    assert set(statuses) == {401, 429}
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        rows, told = database.execute(
            "SELECT count(*), sum(count) FROM events WHERE event = 'refused'"
        ).fetchone()
    database.close()
    assert told == GUESSES + 1
    assert rows < 500
