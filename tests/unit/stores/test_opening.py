"""The store that a client was given, by an object, an option or a variable."""

from __future__ import annotations

import sys

import pytest

from scope_async import ConfigurationError, ScopeClient, sync
from scope_async._core.clock import SystemClock
from tests.fakes.exchange import ADDRESSES, CREDENTIALS
from tests.fakes.memory_store import MemoryStore


@pytest.mark.parametrize("kind", [ScopeClient, sync.ScopeClient])
def test_client_uses_the_store_that_it_is_given(kind, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SCOPE_STORE_URL", (tmp_path / "of-the-environment").as_uri())
    options = {f"SCOPE_{name.upper()}".replace("BASE_URL", "API_URL"): url for name, url in ADDRESSES.items()}
    for name, value in options.items():
        monkeypatch.setenv(name, value)

    def store_of(**given) -> str:
        client = kind(CREDENTIALS, **given)
        return repr(getattr(client, "_client", client)._store)

    assert "MemoryStore" in store_of(store=MemoryStore(SystemClock().monotonic))
    assert "of-the-environment" in store_of()
    assert "of-the-option" in store_of(store_url=(tmp_path / "of-the-option").as_uri())
    assert store_of(store_url=None) == "None"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": "file:///run/scope"}, "store must be a SharedStore .*, got str"),
        (
            {"store_url": "/run/scope"},
            r"store_url \(SCOPE_STORE_URL\) must be a URL such as file:///run/scope",
        ),
        ({"store_url": "https://user:password@host"}, "begins with file://, redis://"),
    ],
)
def test_open_client_store_names_what_is_no_store(options, message) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        ScopeClient(CREDENTIALS, **ADDRESSES, **options)
    assert "password" not in str(raised.value)


def test_missing_extra_is_named(tmp_path, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("cryptography", "scope_async.stores."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigurationError, match=r"cryptography.*: pip install 'scope-async\[store\]'"):
        ScopeClient(CREDENTIALS, **ADDRESSES, store_url=tmp_path.as_uri())


def test_url_with_a_password_is_never_shown() -> None:
    client = ScopeClient(CREDENTIALS, **ADDRESSES, store_url="redis://:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in repr(client.config) + repr(client) + repr(client._store)
