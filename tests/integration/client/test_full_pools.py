"""A token is exchanged although every pool of threads of the application is busy."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio

from scope_async import FileCredentials, TokenSource
from tests.fakes.raw_server import RawConnection, raw_server, response


async def test_exchange_needs_no_pool_of_the_application(tmp_path) -> None:
    async def handle(connection: RawConnection) -> None:
        while await connection.request():
            await connection.send(response({"access_token": "token-1", "expires_in": 600}))

    file = tmp_path / "credentials"
    file.write_text("org_id=org_1\napi_key=key_1\napi_secret=secret_1\n")
    release = threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    async with raw_server(handle) as server, anyio.create_task_group() as group:
        with ThreadPoolExecutor(1) as full:
            asyncio.get_running_loop().set_default_executor(full)
            full.submit(release.wait, 20)
            for _ in range(int(limiter.total_tokens)):
                group.start_soon(anyio.to_thread.run_sync, release.wait, 20)
            while limiter.available_tokens:
                await asyncio.sleep(0)
            url = server.url.replace("127.0.0.1", "localhost")  # a name, which has to be resolved
            try:
                async with TokenSource(
                    FileCredentials(file), base_url=url, auth_api_url=url, timeout=5
                ) as tokens:
                    assert (await tokens.get()).value == "token-1"
            finally:
                release.set()
