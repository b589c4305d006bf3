"""`store_from_url`: which store, what it says of a wrong URL, and what it never shows."""

from __future__ import annotations

import sys

import pytest

from scope_async.errors import ConfigurationError
from scope_async.stores import FileStore, RedisStore, SharedStore, store_from_url


@pytest.mark.parametrize("url", ["file:///run/scope", "file://localhost/run/scope", "file:///run/sc%6Fpe"])
def test_file_url_is_a_file_store(url) -> None:
    store = store_from_url(url)
    assert isinstance(store, FileStore)
    assert isinstance(store, SharedStore)
    assert str(store.path) == "/run/scope"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2@cache:6379/0", "RedisStore('redis://cache:6379/0')"),
        ("rediss://:hunter2@cache?password=hunter2", "RedisStore('rediss://cache')"),
        (
            "redis+sentinel://u:hunter2@a:1,b/scope/2?sentinel_password=hunter2",
            "RedisStore('redis+sentinel://a:1,b/scope/2')",
        ),
    ],
)
def test_redis_url_is_a_redis_store_that_shows_no_password(url, shown) -> None:
    store = store_from_url(url)
    assert isinstance(store, RedisStore)
    assert isinstance(store, SharedStore)
    assert repr(store) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "http://hunter2@cache",
        "file://other/run/scope",
        "file:///",
        "file:run/scope",
        "file:///run/scope?x=hunter2",
        "redis://u:hunter2@cache:hunter2/0",
        "redis+sentinel://u:hunter2@a:1",
        "redis+sentinel://u:hunter2@/scope",
        "redis+sentinel://u:hunter2@a:99999/scope",
        "redis+sentinel://u:hunter2@a/scope/x",
        "redis://[u:hunter2@cache",
    ],
)
def test_wrong_url_is_an_error_that_shows_no_password(url) -> None:
    with pytest.raises(ConfigurationError) as caught:
        store_from_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_missing_extra_is_one_line_that_says_what_to_install(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("scope_async.stores.redis.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'scope-async\[redis\]'"):
        store_from_url("redis://cache")
