from __future__ import annotations

import pytest

from scope_async.prompts.cache.memory import PromptCache, size_of
from scope_async.prompts.conditional import FetchedVersion, Validator
from scope_async.prompts.reference import Key
from scope_async.prompts.version import PromptVersion


class Ticks:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def cache(ticks: Ticks) -> PromptCache:
    return PromptCache(max_entries=3, retention=50, monotonic=ticks)


def put(
    cache: PromptCache, key: Key, *, sequence: int = 1, stored_at: float = 0.0, ttl: float = 10.0
) -> PromptVersion:
    name = key if isinstance(key, str) else key[0]
    version = PromptVersion(name=name, prompt_id=f"id-of-{name}", content="")
    cache.put(key, FetchedVersion(version), stored_at=stored_at, ttl=ttl, sequence=sequence)
    return version


def present(cache: PromptCache, *keys: Key) -> list[bool]:
    return [cache.get(key) is not None for key in keys]


def test_get_fresh_returns_a_version_until_its_ttl_is_over(cache: PromptCache, ticks: Ticks) -> None:
    assert cache.get_fresh("p") is None
    version = put(cache, "p")
    ticks.now = 9.9
    assert cache.get_fresh("p") is version
    ticks.now = 10
    assert cache.get_fresh("p") is None
    assert present(cache, "p") == [True]


@pytest.mark.parametrize("use", [PromptCache.get_fresh, PromptCache.get])
def test_eviction_takes_the_least_recently_used(cache: PromptCache, use) -> None:
    for key in "abc":
        put(cache, key)
    use(cache, "a")
    put(cache, "d")
    assert present(cache, *"abcd") == [True, False, True, True]


def test_eviction_spares_an_entry_that_was_stored_again(cache: PromptCache) -> None:
    for key in "abcad":
        put(cache, key, sequence=2)
    assert present(cache, *"abcd") == [True, False, True, True]


def test_get_drops_an_entry_past_its_retention(cache: PromptCache, ticks: Ticks) -> None:
    put(cache, "p")
    ticks.now = 59.9
    assert present(cache, "p") == [True]
    ticks.now = 60
    assert present(cache, "p") == [False]
    assert len(cache) == 0


def test_put_sweeps_entries_past_their_retention_once_a_minute(cache: PromptCache, ticks: Ticks) -> None:
    put(cache, "old")
    ticks.now = 59
    put(cache, "new", stored_at=59)
    assert len(cache) == 2
    ticks.now = 60
    put(cache, "newer", stored_at=60)
    assert len(cache) == 2


def test_put_never_replaces_the_answer_of_a_later_fetch(cache: PromptCache) -> None:
    later = put(cache, "p", sequence=2)
    put(cache, "p", sequence=1)
    assert cache.get_fresh("p") is later
    newest = put(cache, "p", sequence=3)
    assert cache.get_fresh("p") is newest


def test_put_returns_the_entry_that_was_there(cache: PromptCache) -> None:
    version = PromptVersion(name="p", content="")
    fetched = FetchedVersion(version, Validator('"1"', "key_1"))
    assert cache.put("p", fetched, stored_at=0, ttl=10, sequence=1) is None
    previous = cache.put("p", fetched, stored_at=0, ttl=10, sequence=2)
    assert previous is not None
    assert (previous.sequence, previous.validator) == (1, fetched.validator)


def test_delete_spares_the_answer_of_a_later_fetch(cache: PromptCache) -> None:
    put(cache, "p", sequence=2)
    cache.delete("p", before=2)
    assert present(cache, "p") == [True]
    cache.delete("p", before=3)
    cache.delete("absent", before=3)
    assert present(cache, "p") == [False]


def test_expire_ends_freshness_and_keeps_the_entry(cache: PromptCache) -> None:
    put(cache, "p", sequence=2)
    cache.expire("p", before=2)
    assert cache.get_fresh("p") is not None
    cache.expire("p", before=3)
    assert cache.get_fresh("p") is None
    entry = cache.get("p")
    assert entry is not None
    assert entry.is_expired


@pytest.mark.parametrize("name", ["p", "id-of-p"])
def test_delete_prompt_removes_every_version_by_name_or_id(cache: PromptCache, name: str) -> None:
    keys: list[Key] = ["p", ("p", "label", "latest"), "q"]
    for key in keys:
        put(cache, key)
    cache.delete_prompt(name)
    assert present(cache, *keys) == [False, False, True]


def test_clear_removes_everything(cache: PromptCache) -> None:
    put(cache, "p")
    cache.clear()
    assert len(cache) == 0


def test_stale_version_is_marked_and_made_once(cache: PromptCache) -> None:
    put(cache, "p")
    entry = cache.get("p")
    assert entry is not None
    assert entry.stale_version.is_stale
    assert entry.stale_version is entry.stale_version
    assert not entry.version.is_stale


def put_sized(cache: PromptCache, key: str, length: int, *, sequence: int = 1) -> PromptVersion:
    version = PromptVersion(name=key, content="x" * length)
    cache.put(key, FetchedVersion(version), stored_at=0, ttl=10, sequence=sequence)
    return version


@pytest.fixture
def small(ticks: Ticks) -> PromptCache:
    return PromptCache(max_entries=100, max_bytes=20_000, retention=50, monotonic=ticks)


def test_put_evicts_the_least_recently_used_beyond_max_bytes(small: PromptCache) -> None:
    sizes = {key: size_of(put_sized(small, key, 2000)) for key in "abc"}
    assert present(small, *"abc") == [True] * 3
    assert small.size == sum(sizes.values())
    small.get("a")
    put_sized(small, "d", 2000)
    assert present(small, *"abcd") == [True, False, True, True]
    assert small.size <= 20_000


def test_put_keeps_no_version_that_is_larger_than_max_bytes(small: PromptCache) -> None:
    put_sized(small, "a", 100)
    put_sized(small, "big", 100)
    put_sized(small, "big", 20_000, sequence=2)
    assert present(small, "a", "big") == [True, False], "the older answer is not served any longer"


def test_size_follows_every_way_out_of_the_cache(small: PromptCache, ticks: Ticks) -> None:
    for key in "abcd":
        put_sized(small, key, 10)
    small.delete("a", before=2)
    small.expire("b", before=2)
    small.delete_prompt("c")
    assert small.size == 2 * size_of(PromptVersion(name="b", content="x" * 10))
    ticks.now = 1000
    assert present(small, "b", "d") == [False, False]
    assert small.size == 0
    put_sized(small, "e", 10)
    small.clear()
    assert small.size == 0


@pytest.mark.parametrize(("sign", "width"), [("a", 1), ("\u00e9", 1), ("\u540d", 2), ("\U0001f600", 4)])
def test_size_of_counts_what_python_keeps_for_each_sign(sign: str, width: int) -> None:
    assert size_of(PromptVersion(name="p", content=sign * 5000)) > 2 * width * 5000
