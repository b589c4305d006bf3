"""A Redis that is down, frozen, empty, full, read-only, slow, or full of what is not ours."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import subprocess
from contextlib import asynccontextmanager, suppress

import pytest
import redis

from scope_async._core.clock import SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.stores import Change, Lease, RedisStore
from scope_async.stores.availability import Availability, StoreStatus
from scope_async.stores.pending_jobs import PendingJobs
from scope_async.stores.redis.scripts import Keys
from scope_async.stores.shared_entries import Fetched, SharedEntries
from tests.fakes.redis_server import RedisServer, running
from tests.fakes.waiting import until
from tests.integration.stores.test_protocol import acquire, write
from tests.unit.stores.test_encryption import BINDING

NAMESPACE = "ab" * 20
SECRET_TEXT = b"the text of a prompt"


@asynccontextmanager
async def client_of(url: str):
    store, background, clock = RedisStore(url), Background(), SystemClock()
    entries = SharedEntries(
        store,
        BINDING,
        availability=Availability(clock=clock, rng=random.random, on_change=lambda _: None),
        jobs=PendingJobs(background),
        clock=clock,
        rng=random.random,
    )
    background.add_service(entries.listen)
    background.start()
    try:
        yield entries
    finally:
        await background.aclose()
        await store.aclose()


def status_of(entries: SharedEntries) -> StoreStatus:
    return entries._availability.status()


async def obtain(entries: SharedEntries, name: str = "greeting", **options):
    async def fetch() -> Fetched:
        return Fetched(SECRET_TEXT, lifetime=60)

    return await entries.obtain(entries.slot("prompt", name), fetch, **options)


async def content_of(store: RedisStore, name: str) -> bytes:
    entry = await store.get(NAMESPACE, name)
    assert entry is not None
    return entry.content


async def read_changes(store: RedisStore, seen: list[Change]) -> None:
    async for change in store.changes(NAMESPACE):
        seen.append(change)  # noqa: PERF401 - they are looked at meanwhile


async def until_shared(entries: SharedEntries, name: str = "greeting") -> None:
    async with asyncio.timeout(60):
        while await entries.get(entries.slot("prompt", name)) is None:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("trouble", ["kill", "freeze"])
async def test_client_goes_on_alone_and_comes_back(own_redis, caplog, trouble) -> None:
    caplog.set_level(logging.INFO, logger="scope_async.stores")
    async with client_of(own_redis.url) as entries:
        await obtain(entries)
        await until_shared(entries)
        getattr(own_redis, trouble)()
        # How long a caller waits at most is a matter of tests/unit/stores/test_wait_budget.py.
        async with asyncio.timeout(60):
            while status_of(entries).available:
                assert (await obtain(entries, secrets.token_hex(4))).content == SECRET_TEXT
            for _ in range(100):
                assert (await obtain(entries, secrets.token_hex(4))).content == SECRET_TEXT
        assert not status_of(entries).available
        own_redis.start() if trouble == "kill" else own_redis.thaw()
        await until(lambda: status_of(entries).available)
        await obtain(entries, "after")
        await until_shared(entries, "after")
    assert len(caplog.records) == 2, caplog.text


async def test_emptied_server_starts_a_new_epoch(own_redis) -> None:
    store = RedisStore(own_redis.url)
    lease = await acquire(store, NAMESPACE, "aa")
    with own_redis.client() as client:
        client.flushall()
    assert not await store.put(lease, b"content", lifetime=60)
    fresh = await acquire(store, NAMESPACE, "aa")
    assert fresh.epoch != lease.epoch
    await store.aclose()


async def test_restarted_server_starts_a_new_epoch_and_forgets_leases(tmp_path) -> None:
    with running(RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")) as server:
        store = RedisStore(server.url)
        await write(store, NAMESPACE, "bb")
        lease = await acquire(store, NAMESPACE, "aa")
        server.kill()
        server.start()
        async with asyncio.timeout(60):
            while True:
                try:
                    fresh = await store.acquire(NAMESPACE, "aa", owner="ab", duration=5)
                    break
                except (redis.RedisError, OSError):
                    await asyncio.sleep(0.05)
        assert isinstance(fresh, Lease)
        assert fresh.epoch != lease.epoch
        assert not await store.put(lease, b"late", lifetime=60)
        assert await store.get(NAMESPACE, "bb") is not None
        await store.aclose()


async def test_readers_resync_when_the_store_was_emptied(own_redis) -> None:
    store = RedisStore(own_redis.url)
    await write(store, NAMESPACE, "aa")
    seen: list[Change] = []

    reader = asyncio.create_task(read_changes(store, seen))
    await until(lambda: seen)
    with own_redis.client() as client:
        client.flushall()
    await write(store, NAMESPACE, "aa")
    await until(lambda: len(seen) > 1)
    assert seen[1] == Change("resync")
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await store.aclose()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), "OutOfMemory"),
        (("REPLICAOF", "127.0.0.1", "1"), "ReadOnly"),
        (("CONFIG", "SET", "requirepass", "x"), "Auth"),
    ],
)
async def test_server_that_refuses_writes_is_down(own_redis, command, reason) -> None:
    with own_redis.client() as client:
        client.execute_command(*command)
    async with client_of(own_redis.url) as entries:
        assert isinstance(await obtain(entries), Fetched)
        # A busy machine may be too slow for the first answer; each probe says its reason anew.
        await until(lambda: reason in str(status_of(entries).last_error))
        assert not status_of(entries).available
        if reason != "Auth":
            undo = {
                "OutOfMemory": ("CONFIG", "SET", "maxmemory", "0"),
                "ReadOnly": ("REPLICAOF", "NO", "ONE"),
            }
            with own_redis.client() as client:
                client.execute_command(*undo[reason])
            await until(lambda: status_of(entries).available)
            await obtain(entries)
            await until_shared(entries)


@pytest.mark.parametrize("kind", ["string", "list", "set", "hash"])
async def test_keys_of_a_wrong_type_or_full_of_garbage_are_absent(own_redis, kind) -> None:
    store = RedisStore(own_redis.url)
    with own_redis.client() as client:
        for key in Keys(NAMESPACE).of("aa"):
            if kind == "string":
                client.set(key, os.urandom(100))
            elif kind == "list":
                client.rpush(key, os.urandom(100))
            elif kind == "set":
                client.sadd(key, os.urandom(100))
            else:
                client.hset(key, mapping={"content": b"x", "epoch": b"zz", "counter": "1", "version": b"v"})
    assert await store.get(NAMESPACE, "aa") is None
    if kind == "string":  # which is what a lease looks like
        with own_redis.client() as client:
            client.delete(Keys(NAMESPACE).of("aa")[-1])
    await write(store, NAMESPACE, "aa", tags=["ab"])
    assert await content_of(store, "aa") == b"content"
    await store.aclose()


async def test_undecryptable_value_is_absent(own_redis) -> None:
    async with client_of(own_redis.url) as entries:
        await obtain(entries)
        await until_shared(entries)
        with own_redis.client() as client:
            (key,) = [key for key in client.scan_iter() if b":entry:" in key]
            client.hset(key, "content", os.urandom(200))
        assert isinstance(await obtain(entries), Fetched)
        await until_shared(entries)


async def test_slow_server_is_not_waited_for(own_redis) -> None:
    answers = asyncio.Event()
    handlers: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        ahead, behind = await asyncio.open_connection("127.0.0.1", own_redis.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                if sink is writer:
                    await answers.wait()
                sink.write(data)
            sink.close()

        try:
            await asyncio.gather(pump(reader, behind), pump(ahead, writer), return_exceptions=True)
        finally:
            behind.close()
            writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with client_of(f"redis://127.0.0.1:{port}") as entries:
        for _ in range(3):
            async with asyncio.timeout(60):
                assert (await obtain(entries, secrets.token_hex(4))).content == SECRET_TEXT
        answers.set()  # after all callers have gone on alone
    server.close()
    for handler in handlers:
        handler.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)


async def test_dump_shows_nothing_without_the_secret(own_redis, tmp_path) -> None:
    async with client_of(own_redis.url) as entries:
        await obtain(entries)
        await until_shared(entries)
        with own_redis.client() as client:
            assert all(key.startswith(b"scope-async:{") for key in client.scan_iter())
            assert all(name.startswith(b"scope-async:{") for name in client.pubsub_channels())
            client.save()
    dump = (own_redis.folder / "dump.rdb").read_bytes()
    assert entries._cipher.namespace.encode() in dump
    for secret in (
        SECRET_TEXT,
        b"greeting",
        *(getattr(BINDING, f).encode() for f in ("api_secret", "api_key")),
    ):
        assert secret not in dump


async def test_acl_user_needs_only_the_keys_and_commands_of_the_store(own_redis) -> None:
    with own_redis.client() as client:
        client.execute_command(
            *[
                "ACL",
                "SETUSER",
                "scope",
                "on",
                ">pa:ss",
                "~scope-async:*",
                "&scope-async:*",
                "+eval",
                "+evalsha",
                "+subscribe",
                "+info",
            ],
            *[
                "+type",
                "+del",
                "+hmget",
                "+hget",
                "+hset",
                "+hdel",
                "+hincrby",
                "+pttl",
                "+pexpire",
                "+time",
                "+get",
                "+set",
            ],
            *[
                "+zadd",
                "+zrem",
                "+zcard",
                "+zrange",
                "+zrangebyscore",
                "+zremrangebyrank",
                "+publish",
                "+unsubscribe",
            ],
        )
    store = RedisStore(f"redis://scope:pa%3Ass@127.0.0.1:{own_redis.port}")
    assert "pa" not in repr(store)
    seen: list[Change] = []

    reader = asyncio.create_task(read_changes(store, seen))
    await until(lambda: seen)
    version = await write(store, NAMESPACE, "aa", tags=["ab"])
    await store.release(await acquire(store, NAMESPACE, "bb"))
    await store.delete(NAMESPACE, "aa", version=version)
    await store.invalidate(NAMESPACE)
    await until(lambda: len(seen) == 5)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await store.aclose()


@pytest.fixture
def certificate(tmp_path):
    """A key and a certificate of its own for 127.0.0.1."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return tmp_path / "cert.pem"


async def test_tls_is_verified_against_the_given_authority(certificate, tmp_path) -> None:
    options = ("--tls-cert-file", certificate, "--tls-key-file", certificate.with_name("key.pem"))
    server = RedisServer(tmp_path / "redis", *map(str, options), "--tls-auth-clients", "no", tls=True)
    with running(server):
        trusted = RedisStore(f"{server.url}?ssl_ca_certs={certificate}")
        await write(trusted, NAMESPACE, "aa")
        await trusted.aclose()
        stranger = RedisStore(server.url)
        with pytest.raises(redis.RedisError, match="certificate"):
            await stranger.get(NAMESPACE, "aa")
        await stranger.aclose()


def test_forked_child_uses_connections_of_its_own(own_redis) -> None:
    store = RedisStore(own_redis.url)
    with asyncio.Runner() as runner:
        runner.run(write(store, NAMESPACE, "aa"))
    child = os.fork()
    if child == 0:
        try:
            with asyncio.Runner() as runner:
                found = runner.run(asyncio.wait_for(store.get(NAMESPACE, "aa"), 5))
            os._exit(0 if found is not None else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    with asyncio.Runner() as runner:
        assert runner.run(store.get(NAMESPACE, "aa")) is not None
        runner.run(store.aclose())


async def test_cancelled_operation_mixes_up_no_replies(own_redis) -> None:
    store = RedisStore(own_redis.url)
    for name in ("aa", "bb"):
        await write(store, NAMESPACE, name, name.encode())
    for _ in range(200):
        cancelled = asyncio.create_task(store.get(NAMESPACE, "aa"))
        await asyncio.sleep(secrets.randbelow(5) / 10_000)
        cancelled.cancel()
        with suppress(redis.RedisError, OSError):
            assert await content_of(store, "bb") == b"bb"
        await asyncio.gather(cancelled, return_exceptions=True)
    assert await content_of(store, "bb") == b"bb"
    await store.aclose()


async def test_password_that_a_server_quotes_is_in_no_status_and_no_log(caplog) -> None:
    handlers: list[asyncio.Task[None] | None] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        with suppress(ConnectionError):
            while await reader.read(1000):
                writer.write(b"-ERR unknown command 'AUTH', with args: 'u' 'pass/word1' \x1b[2J\r\n")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client_of(f"redis://u:pass%2Fword1@127.0.0.1:{port}") as entries:
        assert isinstance(await obtain(entries), Fetched)
        assert "[password]" in str(status_of(entries).last_error)
        shown = str(status_of(entries).last_error) + caplog.text
    await asyncio.gather(*filter(None, handlers))
    assert "pass/word1" not in shown
    assert "\x1b" not in shown
