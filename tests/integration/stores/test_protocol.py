"""What every engine promises, held against each of them."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing

import pytest

from scope_async.stores import Change, Lease, LeaseHeld, SharedStore

TAG = "a" * 40


@pytest.fixture
def namespace() -> str:
    return secrets.token_hex(20)


def new_owner() -> str:
    return secrets.token_hex(16)


async def acquire(
    store: SharedStore, namespace: str, name: str, *, duration: float = 5.0, known: str = ""
) -> Lease:
    found = await store.acquire(namespace, name, owner=new_owner(), duration=duration, known=known)
    assert isinstance(found, Lease), found
    return found


async def write(store, namespace, name, content=b"content", *, lifetime=60.0, tags=(), known="") -> str:
    lease = await acquire(store, namespace, name, known=known)
    assert await store.put(lease, content, lifetime=lifetime, tags=tags)
    return lease.version


async def test_get_returns_none_for_what_was_never_written(store, namespace) -> None:
    assert await store.get(namespace, "ab") is None


async def test_get_returns_what_was_put_and_the_life_left(store, namespace) -> None:
    content = bytes(range(256))
    version = await write(store, namespace, "ab", content)
    entry = await store.get(namespace, "ab")
    assert entry.content == content
    assert entry.version == version
    assert 50 < entry.expires_in <= 60
    assert await store.get(namespace, "cd") is None
    assert await store.get(secrets.token_hex(20), "ab") is None


async def test_entry_is_absent_when_its_life_is_over(store, namespace) -> None:
    await write(store, namespace, "ab", lifetime=0.2)
    await asyncio.sleep(0.3)
    assert await store.get(namespace, "ab") is None


async def test_acquire_gives_the_lease_to_one_owner(store, namespace) -> None:
    found = await asyncio.gather(
        *(store.acquire(namespace, "ab", owner=new_owner(), duration=5) for _ in range(20))
    )
    assert sum(isinstance(each, Lease) for each in found) == 1
    held = [each for each in found if isinstance(each, LeaseHeld)]
    assert len(held) == 19
    assert all(0 < each.expires_in <= 5 for each in held)


async def test_acquire_repeated_by_its_owner_returns_the_same_lease(store, namespace) -> None:
    owner = new_owner()
    first = await store.acquire(namespace, "ab", owner=owner, duration=5)
    assert await store.acquire(namespace, "ab", owner=owner, duration=5) == first


async def test_acquire_returns_the_entry_unless_it_is_known(store, namespace) -> None:
    version = await write(store, namespace, "ab", b"one")
    found = await store.acquire(namespace, "ab", owner=new_owner(), duration=5)
    assert found.content == b"one"
    lease = await acquire(store, namespace, "ab", known=version)
    assert lease.version != version
    assert lease.epoch == version.partition("-")[0]


async def test_lease_ends_by_itself_and_its_holder_writes_nothing_any_more(store, namespace) -> None:
    late = await acquire(store, namespace, "ab", duration=0.2)
    await asyncio.sleep(0.3)
    assert not await store.put(late, b"late", lifetime=60)
    assert await store.get(namespace, "ab") is None
    next_one = await acquire(store, namespace, "ab")
    assert next_one.counter > late.counter
    assert not await store.put(late, b"late", lifetime=60)
    assert not await store.renew(late, duration=5)
    await store.release(late)
    assert await store.put(next_one, b"in time", lifetime=60)
    assert not await store.put(late, b"late", lifetime=60)
    assert (await store.get(namespace, "ab")).content == b"in time"


async def test_renew_prolongs_the_lease(store, namespace) -> None:
    lease = await acquire(store, namespace, "ab", duration=1.5)
    await asyncio.sleep(0.8)
    assert await store.renew(lease, duration=1.5)
    await asyncio.sleep(0.8)
    assert await store.put(lease, b"content", lifetime=60)


async def test_put_repeated_is_true_and_writes_once(store, namespace) -> None:
    lease = await acquire(store, namespace, "ab")
    assert await store.put(lease, b"content", lifetime=60)
    assert await store.put(lease, b"content", lifetime=60)
    assert (await store.get(namespace, "ab")).version == lease.version


async def test_put_counts_the_lifetime_from_the_lease(store, namespace) -> None:
    lease = await acquire(store, namespace, "ab")
    await asyncio.sleep(0.4)
    assert not await store.put(lease, b"content", lifetime=0.3)
    lease = await acquire(store, namespace, "ab")
    await asyncio.sleep(0.4)
    assert await store.put(lease, b"content", lifetime=10)
    assert (await store.get(namespace, "ab")).expires_in <= 9.6


async def test_release_gives_the_lease_to_the_next(store, namespace) -> None:
    await store.release(await acquire(store, namespace, "ab"))
    await acquire(store, namespace, "ab")


async def test_release_with_cooldown_keeps_everyone_from_the_lease(store, namespace) -> None:
    await store.release(await acquire(store, namespace, "ab"), cooldown=0.3)
    found = await store.acquire(namespace, "ab", owner=new_owner(), duration=5)
    assert isinstance(found, LeaseHeld)
    assert found.expires_in <= 0.3
    await asyncio.sleep(0.4)
    await acquire(store, namespace, "ab")


async def test_delete_leaves_another_version_alone(store, namespace) -> None:
    first = await write(store, namespace, "ab", b"one")
    second = await write(store, namespace, "ab", b"two", known=first)
    assert not await store.delete(namespace, "ab", version=first)
    assert (await store.get(namespace, "ab")).content == b"two"
    assert await store.delete(namespace, "ab", version=second)
    assert not await store.delete(namespace, "ab", version=second)
    assert await store.get(namespace, "ab") is None


async def test_invalidate_deletes_what_has_the_tag(store, namespace) -> None:
    await write(store, namespace, "aa", tags=[TAG, "b" * 40])
    await write(store, namespace, "bb", tags=["b" * 40])
    await write(store, namespace, "cc")
    await store.invalidate(namespace, TAG)
    assert await store.get(namespace, "aa") is None
    assert await store.get(namespace, "bb") is not None
    await store.invalidate(namespace)
    assert await store.get(namespace, "bb") is None
    assert await store.get(namespace, "cc") is not None


async def test_invalidate_refuses_what_was_on_its_way(store, namespace) -> None:
    tagged = await acquire(store, namespace, "aa")
    plain = await acquire(store, namespace, "bb")
    await store.invalidate(namespace, TAG)
    assert not await store.put(tagged, b"content", lifetime=60, tags=[TAG])
    assert await store.put(plain, b"content", lifetime=60)
    await write(store, namespace, "aa", tags=[TAG])


async def test_tagged_entries_are_bounded_in_number(store, namespace) -> None:
    await write(store, namespace, "ff")
    for name in ("aa", "bb", "cc", "dd"):
        await write(store, namespace, name, tags=[TAG])
    assert await store.get(namespace, "aa") is None
    assert [await store.get(namespace, name) is not None for name in ("bb", "cc", "dd", "ff")] == [True] * 4


async def test_tagged_entries_are_bounded_in_bytes(store, namespace) -> None:
    await write(store, namespace, "aa", bytes(500), tags=[TAG])
    await write(store, namespace, "bb", bytes(500), tags=[TAG])
    await write(store, namespace, "cc", bytes(400), tags=[TAG])
    assert [await store.get(namespace, name) is not None for name in ("aa", "bb", "cc")] == [
        False,
        True,
        True,
    ]
    lease = await acquire(store, namespace, "dd")
    assert not await store.put(lease, bytes(1001), lifetime=60, tags=[TAG])


async def test_written_again_an_entry_counts_once(store, namespace) -> None:
    version = ""
    for _ in range(10):
        version = await write(store, namespace, "aa", bytes(400), tags=[TAG], known=version)
    await write(store, namespace, "bb", bytes(400), tags=[TAG])
    assert await store.get(namespace, "aa") is not None


async def test_changes_reach_every_reader_in_order(store, namespace) -> None:
    seen: list[list[Change]] = [[], []]
    ready = [asyncio.Event(), asyncio.Event()]
    done = [asyncio.Event(), asyncio.Event()]

    async def read(index: int) -> None:
        async with aclosing(store.changes(namespace)) as changes:
            async for change in changes:
                seen[index].append(change)
                ready[index].set()
                if change.kind == "invalidated":
                    done[index].set()

    readers = [asyncio.create_task(read(index)) for index in (0, 1)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(each.wait() for each in ready))
        version = await write(store, namespace, "aa", tags=[TAG])
        await write(store, secrets.token_hex(20), "aa")
        await store.release(await acquire(store, namespace, "bb"))
        await store.delete(namespace, "aa", version=version)
        await store.invalidate(namespace, TAG)
        await asyncio.gather(*(each.wait() for each in done))
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    expected = [
        Change("resync"),
        Change("put", "aa", version),
        Change("released", "bb"),
        Change("deleted", "aa", version),
        Change("invalidated", TAG),
    ]
    assert seen == [expected, expected]


async def test_store_is_used_again_after_aclose(store, namespace) -> None:
    await write(store, namespace, "ab")
    await store.aclose()
    await store.aclose()
    assert await store.get(namespace, "ab") is not None


def test_store_serves_several_event_loops(store, namespace, new_loop) -> None:
    for _ in range(3):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(store.get(namespace, "ab"))
