"""The store of Local Scope: acknowledged writes survive restarts and SIGKILL."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import stat
import sys
from pathlib import Path

import pytest

from scope_async.errors import ConfigurationError, ServerError, ValidationError
from scope_async.local import LocalScope
from tests.integration.local.raw_client import RawClient

ROUNDS = 100


async def test_store_has_everything_after_a_restart(tmp_path, session):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        raw_client = RawClient(local, session)
        credentials, org_id = local.credentials, local.org_id
        await local.add_prompt("greeting", "one", metadata={"a": [1]}, tags=["t"])
        two = await local.add_prompt("greeting", "two", publish=False)
        await local.add_prompt("chat", [{"role": "user", "content": "hi"}], prompt_type="chat")
        token = await raw_client.token()
        bodies = [
            (await raw_client.prompt(token, path)).body
            for path in ("greeting/production", "greeting/latest", "chat/latest")
        ]
        revoked, ending = await local.create_key("revoked"), await local.create_key("ending", expires_in=60)
        await local.revoke_key(revoked.api_key, "leaked")
        headers = {"Idempotency-Key": "once"}
        await raw_client.admin("POST", "/api/v1/api-keys", json={"name": "once"}, headers=headers)
        state = await local.export_state()
    async with LocalScope(path) as local:
        raw_client = RawClient(local, session)
        assert local.org_id == org_id
        assert await local.export_state() == state
        with pytest.raises(ConfigurationError, match="create_key"):
            _ = local.credentials
        assert [
            (await raw_client.prompt(token, path)).body
            for path in ("greeting/production", "greeting/latest", "chat/latest")
        ] == bodies
        assert (await raw_client.exchange(credentials)).status == 200
        assert (await raw_client.exchange(revoked)).code == "api_key_revoked"
        local.clock.advance(60)
        assert (await raw_client.exchange(ending)).code == "api_key_expired"
        again = await raw_client.admin("POST", "/api/v1/api-keys", json={"name": "once"}, headers=headers)
        assert again.code == "idempotency_key_expired"
        await local.promote("greeting", two.id)
        await local.reset()
        assert (await raw_client.exchange()).status == 200


async def test_store_writes_the_last_uses_and_refusals_on_close(tmp_path, session):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        api_key = local.credentials.api_key
        await RawClient(local, session).exchange()
        await RawClient(local, session).exchange(client_secret="wrong")
        at = local._store.audit_log.last_used_at(api_key)
    async with LocalScope(path) as local:
        assert at is not None
        assert local._store.audit_log.last_used_at(api_key) == at
        events = [event["event"] for event in await local._store.keys.events(api_key)]
    assert events == ["created", "used", "refused"]


async def test_last_uses_and_events_survive_a_failed_write(tmp_path, session, caplog):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        raw_client, api_key = RawClient(local, session), local.credentials.api_key
        database = local._store.database
        await database._execute([("ALTER TABLE events RENAME TO gone", ())])
        await raw_client.exchange()
        with pytest.raises(ServerError):
            await local._store.audit_log.flush()
        await raw_client.exchange(client_secret="wrong")
        await local._store.audit_log._flush_or_retry()
        assert "not written yet" in caplog.text
        await database._execute([("ALTER TABLE gone RENAME TO events", ())])
        await raw_client.exchange()
        used = local._store.audit_log.last_use(api_key)
    async with LocalScope(path) as local:
        assert local._store.audit_log.last_use(api_key) == used
        events = [(event["event"], event["count"]) for event in await local._store.keys.events(api_key)]
    assert events == [("created", 1), ("used", 1), ("refused", 1), ("used", 1)]


async def test_event_during_a_write_is_written_by_the_next(local: LocalScope):
    log = local._store.audit_log
    log.refused(None, 1.0, "why", address="a")
    plan = log._plan()
    log.refused(None, 1.0, "why", address="a")
    plan.on_commit()
    assert len(log._plan().statements) == 1


async def test_admin_token_is_new_at_every_start(tmp_path, session):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        first = local.admin_token
    async with LocalScope(path) as local:
        assert local.admin_token != first
        assert (await RawClient(local, session).send("GET", "/api/v1/api-keys", token=first)).status == 401


async def test_store_file_is_private_and_durable(tmp_path):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        pragmas = [
            (await local._store.database.fetch_rows(f"PRAGMA {name}"))[0][0]
            for name in ("journal_mode", "synchronous")
        ]
        assert pragmas == ["wal", 2]


async def test_store_file_is_private_behind_a_dangling_link(tmp_path):
    link, target = tmp_path / "link.db", tmp_path / "target.db"
    link.symlink_to(target)
    async with LocalScope(link):
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("is_new", [True, False], ids=["new store", "old store"])
async def test_store_in_use_is_refused_in_this_process_and_in_another(tmp_path, is_new):
    path = tmp_path / "scope.db"
    if not is_new:
        async with LocalScope(path):
            pass
    async with LocalScope(path):
        with pytest.raises(ConfigurationError, match="in use"):
            await LocalScope(path).start()
        code = (
            "import asyncio; from scope_async.local import LocalScope;"
            f"asyncio.run(LocalScope({str(path)!r}).start())"
        )
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
        )
        _, said = await other.communicate()
        assert b"ConfigurationError" in said
        assert b"in use" in said
    async with LocalScope(path):
        pass


async def test_store_opened_three_times_at_once_never_has_two_owners(tmp_path):
    locals_ = [LocalScope(tmp_path / "scope.db") for _ in range(3)]
    outcomes = await asyncio.gather(*(local.start() for local in locals_), return_exceptions=True)
    await asyncio.gather(*(local.aclose() for local in locals_))
    assert outcomes.count(None) <= 1
    assert {type(outcome) for outcome in outcomes} <= {type(None), ConfigurationError}


async def test_store_path_that_is_no_database_or_has_no_folder_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("not a database, but a text file" * 100)
    with pytest.raises(ConfigurationError, match=r"text\.db"):
        await LocalScope(tmp_path / "text.db").start()
    assert (tmp_path / "text.db").read_text().startswith("not a database")
    with pytest.raises(ConfigurationError, match="nowhere"):
        await LocalScope(tmp_path / "nowhere" / "scope.db").start()


async def test_write_is_committed_after_its_caller_is_cancelled(local: LocalScope):
    calls = [asyncio.create_task(local.create_key(f"k{n}")) for n in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    state = await local.export_state()
    names = [key["name"] for key in state["api_keys"]]
    created = [event for event in state["events"] if event["event"] == "created"]
    assert len(names) == len(created) == 11


async def test_writes_at_the_same_time_run_one_after_the_other(raw_client: RawClient):
    versions = await asyncio.gather(*(raw_client.local.add_prompt("greeting", f"{n}") for n in range(50)))
    assert sorted(version.version_number for version in versions) == list(range(1, 51))
    newest = max(versions, key=lambda version: version.version_number)
    assert (await raw_client.prompt(await raw_client.token())).json["id"] == newest.id


async def test_failed_write_changes_nothing(raw_client: RawClient):
    await raw_client.local._store.database._execute([("ALTER TABLE api_keys RENAME TO gone", ())])
    answer = await raw_client.admin("POST", "/api/v1/api-keys", json={"name": "a"})
    assert (answer.status, answer.code) == (500, "internal_error")
    await raw_client.local._store.database._execute([("ALTER TABLE gone RENAME TO api_keys", ())])
    assert [key["name"] for key in (await raw_client.local.export_state())["api_keys"]] == ["default"]
    await raw_client.new_key("a")


@pytest.mark.parametrize("value", [10**30, "\ud800"], ids=["too large", "no character"])
async def test_write_of_an_unstorable_value_is_refused_and_later_writes_succeed(raw_client: RawClient, value):
    state = await raw_client.local.export_state()
    field = "created_at" if isinstance(value, int) else "created_by"
    state["api_keys"][0][field] = value
    with pytest.raises(ValidationError):
        await raw_client.local.import_state(state)
    assert (await raw_client.new_key())["name"]


async def test_acknowledged_writes_survive_sigkill(tmp_path):
    path = tmp_path / "scope.db"
    writers = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.local.crash_writers",
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert writers.stdin is not None
    assert writers.stdout is not None
    acknowledged: list[tuple[str, str]] = []
    for number in range(ROUNDS):
        writers.stdin.write(b"\n")
        pid = json.loads(await writers.stdout.readline())["pid"]
        for _ in range(random.Random(number).randrange(1, 12)):
            said = json.loads(await writers.stdout.readline())
            acknowledged.append(tuple(said["done"]))
        os.kill(pid, signal.SIGKILL)
        while "ended" not in (said := json.loads(await writers.stdout.readline())):
            acknowledged.append(tuple(said["done"]))
    writers.stdin.close()
    assert await writers.wait() == 0
    async with LocalScope(path) as local:
        state = await local.export_state()
    keys = {key["api_key"]: key["revoked_at"] for key in state["api_keys"]}
    versions = {version["id"] for prompt in state["prompts"] for version in prompt["versions"]}
    assert len(acknowledged) > ROUNDS
    for what, id in acknowledged:
        assert id in (versions if what == "version" else keys)
        assert what != "revoked" or keys[id] is not None
    events = {(event["event"], event["api_key"]) for event in state["events"]}
    assert events >= {("created", api_key) for api_key in keys}
