"""Every engine on a real server or a real folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from scope_async.stores import FileStore, RedisStore, SharedStore
from tests.fakes.redis_server import RedisServer, cluster, require_redis_server, running, sentinels


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[RedisServer]:
    """A server for tests that leave it as it is; what they store has random names."""
    require_redis_server()
    with running(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
def own_redis(tmp_path) -> Iterator[RedisServer]:
    """A server that the test may end, freeze and configure."""
    require_redis_server()
    with running(RedisServer(tmp_path / "redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory) -> Iterator[list[RedisServer]]:
    require_redis_server()
    with cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture(scope="session")
def redis_sentinels(tmp_path_factory) -> Iterator[tuple[RedisServer, RedisServer, list[RedisServer]]]:
    require_redis_server()
    with sentinels(tmp_path_factory.mktemp("sentinel")) as servers:
        yield servers


@pytest.fixture(scope="module", params=["file", "redis", "cluster", "sentinel"])
def store_url(request, tmp_path_factory) -> str:
    # Of a scope above the tests': their servers run before a test looks for what it left behind.
    if request.param == "file":
        return (tmp_path_factory.mktemp("store") / "folder").as_uri()
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    if request.param == "cluster":
        return request.getfixturevalue("redis_cluster")[0].url
    watching = request.getfixturevalue("redis_sentinels")[2]
    return f"redis+sentinel://{','.join(each.address for each in watching)}/scope"


@pytest.fixture
async def store(store_url) -> AsyncIterator[SharedStore]:
    bounds = {"max_entries": 3, "max_bytes": 1000}
    made: SharedStore
    if store_url.startswith("file:"):
        made = FileStore(store_url.removeprefix("file://"), **bounds)
    else:
        made = RedisStore(store_url, **bounds)
    yield made
    await made.aclose()
