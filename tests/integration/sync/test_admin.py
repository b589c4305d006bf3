from __future__ import annotations

from collections.abc import Iterator

import pytest

from scope_async import AuthenticationError, ConfigurationError, NotFoundError
from scope_async.sync import ApiKeyAdmin, ScopeClient


def test_administers_keys_from_the_first_to_the_last(server) -> None:
    with ApiKeyAdmin(server.local.url, server.local.admin_token) as admin:
        key = admin.create("billing", environment="staging")
        with ScopeClient(key.credentials(), **server.addresses) as scope:
            scope.ping()
            new = admin.rotate(key.api_key, overlap=60)
            assert admin.revoke(key.api_key, reason="replaced").status == "revoked"
            with pytest.raises(AuthenticationError):
                scope.ping()
        assert admin.get(new.api_key).name == "billing"
        active = admin.list(status="active", environment="staging")
        assert [found.api_key for found in active] == [new.api_key]
        assert [event.event for event in admin.events(key.api_key)][-1] == "refused"
        with pytest.raises(NotFoundError):
            admin.get("key_unknown")


def test_list_is_an_ordinary_iterator_that_reads_page_by_page(server) -> None:
    for number in range(120):
        server.local.create_key(f"key {number}")
    with ApiKeyAdmin(server.local.url, server.local.admin_token) as admin:
        keys = admin.list()
        assert isinstance(keys, Iterator)
        assert server.local.journal.count("keys") == 0
        next(keys)
        read = server.local.journal.count("keys")
        assert len([*keys]) == 120
        assert server.local.journal.count("keys") > read == 1


def test_from_env_reads_the_variables_and_refuses_a_session(server, monkeypatch) -> None:
    for name in ("SCOPE_API_URL", "SCOPE_ADMIN_TOKEN"):
        monkeypatch.setenv(name, server.variables[name])
    with ApiKeyAdmin.from_env(max_retries=0) as admin:
        assert admin.config.max_retries == 0
        assert [key.name for key in admin.list()] == ["default"]
    with pytest.raises(ConfigurationError, match="belongs to the event loop"):
        ApiKeyAdmin.from_env(session=object())


async def test_event_loop_is_not_blocked(server) -> None:
    admin = ApiKeyAdmin(server.local.url, server.local.admin_token)
    with pytest.raises(ConfigurationError):
        next(admin.list())
    admin.close()
