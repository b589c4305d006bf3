from __future__ import annotations

import json
import threading

import pytest

from scope_async import ApiKeyCredentials
from scope_async._core.clock import FakeClock
from scope_async.errors import ConfigurationError, ConflictError, MissingApiKeyError, TimeoutError
from scope_async.secrets import KeyringCredentials
from scope_async.secrets.system_keyring import ENTRY

FIRST = ApiKeyCredentials("org_1", "key_1", "secret_1")
SECOND = ApiKeyCredentials("org_1", "key_2", "secret_2")
VALUES = {"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1"}


async def test_reads_an_entry(file_keyring) -> None:
    file_keyring.set_password("scope", ENTRY, json.dumps(VALUES))
    assert await KeyringCredentials("scope")() == FIRST


async def test_missing_entry_says_how_to_make_it(file_keyring) -> None:
    with pytest.raises(ConfigurationError, match="make it with `keyring set scope credentials`"):
        await KeyringCredentials("scope")()


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("secret_1", ConfigurationError, "not valid JSON"),
        ('{"org_id": "org_1", "api_secret": "secret_1"}', MissingApiKeyError, "it has no api_key"),
    ],
)
async def test_entry_without_the_values_says_what_is_wrong(file_keyring, text, kind, said) -> None:
    file_keyring.set_password("scope", ENTRY, text)
    with pytest.raises(kind, match=said) as caught:
        await KeyringCredentials("scope")()
    assert str(caught.value).startswith("keyring entry 'scope' / 'credentials': ")
    assert "secret_1" not in repr(caught.value)


async def test_asks_at_most_once_in_five_seconds_unless_refused(file_keyring) -> None:
    clock = FakeClock(ticking=False)
    provider = KeyringCredentials("scope", clock=clock)
    file_keyring.set_password("scope", ENTRY, json.dumps(VALUES))
    assert await provider() == FIRST
    file_keyring.set_password(
        "scope", ENTRY, json.dumps({**VALUES, "api_key": "key_2", "api_secret": "secret_2"})
    )
    assert await provider() == FIRST
    provider.invalidate(FIRST)
    assert await provider() == SECOND


async def test_store_keeps_the_other_values_and_the_spelling(file_keyring) -> None:
    file_keyring.set_password("scope", ENTRY, '{"SCOPE_ORG_ID": "org_1", "SCOPE_CLIENT_ID": "a", "other": 1}')
    provider = KeyringCredentials("scope")
    await provider.store(SECOND)
    assert json.loads(file_keyring.get_password("scope", ENTRY)) == {
        "SCOPE_ORG_ID": "org_1",
        "SCOPE_CLIENT_ID": "key_2",
        "SCOPE_API_SECRET": "secret_2",
        "other": 1,
    }
    assert await provider() == SECOND


async def test_store_makes_the_entry(file_keyring) -> None:
    await KeyringCredentials("new").store(FIRST)
    assert json.loads(file_keyring.get_password("new", ENTRY)) == VALUES


async def test_store_fails_on_a_concurrent_change(file_keyring, monkeypatch) -> None:
    texts = iter([json.dumps(VALUES), json.dumps({**VALUES, "by": "another"})])
    monkeypatch.setattr(file_keyring, "get_password", lambda *_: next(texts))
    monkeypatch.setattr(file_keyring, "set_password", lambda *_: pytest.fail("it was written"))
    with pytest.raises(ConflictError, match="another writer"):
        await KeyringCredentials("scope").store(SECOND)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoKeyringError", "no keyring that can be used"),
        ("KeyringLocked", "locked"),
        ("OtherError", "failed with OtherError"),
    ],
)
async def test_keyring_that_fails_is_named_without_its_words(file_keyring, monkeypatch, name, said) -> None:
    def fail(*_: object) -> str:
        raise type(name, (RuntimeError,), {})("secret_1")

    monkeypatch.setattr(file_keyring, "get_password", fail)
    with pytest.raises(ConfigurationError, match=said) as caught:
        await KeyringCredentials("scope")()
    assert "secret_1" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


async def test_keyring_that_hangs_is_a_timeout_and_holds_one_daemon_thread(file_keyring, monkeypatch) -> None:
    release, calls = threading.Event(), []

    def hang(*_: object) -> str:
        calls.append(threading.current_thread())
        release.wait(20)
        return json.dumps(VALUES)

    monkeypatch.setattr(file_keyring, "get_password", hang)
    provider = KeyringCredentials("scope", timeout=0.05)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="is it waiting for a password"):
            await provider()
    assert len(calls) == 1
    assert calls[0].daemon
    release.set()
    calls[0].join()
    assert await provider() == FIRST
