from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from scope_async.errors import ConfigurationError
from scope_async.keys import ApiKey, KeyEvent, KeyUser, NewApiKey

SECRET = "secret_0123456789"
FIELDS = {
    "api_key": "key_1",
    "name": "billing-service-prod",
    "environment": "production",
    "status": "active",
    "created_at": "2026-01-02T03:04:05.678Z",
}


def test_api_key_has_aware_times_and_none_where_there_is_no_time():
    key = ApiKey.from_fields({**FIELDS, "last_used_at": None, "expires_at": "2026-02-02T00:00:00+02:00"})
    assert key.created_at == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert key.expires_at == datetime(2026, 2, 2, tzinfo=timezone(timedelta(hours=2)))
    assert key.last_used_at is None
    assert key.revoked_at is None


def test_api_key_time_without_a_zone_is_utc():
    assert ApiKey.from_fields({**FIELDS, "created_at": "2026-01-02T03:04:05"}).created_at.tzinfo is UTC


def test_api_key_accepts_unknown_fields_and_statuses():
    key = ApiKey.from_fields({**FIELDS, "status": "suspended", "scopes": ["read"]})
    assert key.status == "suspended"
    assert not key.is_active


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": None},
        {"api_key": ""},
        {"name": 5},
        {"created_at": None},
        {"created_at": "yesterday"},
        {"expires_at": 5},
        {"revoked_reason": ["leaked"]},
    ],
)
def test_api_key_names_a_field_that_breaks_the_contract(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        ApiKey.from_fields({**FIELDS, **wrong})


def test_key_event_counts_one_or_more():
    at = "2026-01-02T03:04:05Z"
    assert KeyEvent.from_fields({"event": "created", "at": at}).count == 1
    assert KeyEvent.from_fields({"event": "refused", "at": at, "count": 7}).count == 7
    for wrong in ({"event": "used"}, {"at": at}, {"event": "used", "at": at, "count": "many"}):
        with pytest.raises(ValueError, match=r"at|event|count"):
            KeyEvent.from_fields(wrong)


def test_new_api_key_becomes_credentials_and_hides_its_secret():
    new = NewApiKey.from_fields({**FIELDS, "api_secret": SECRET, "org_id": "org_1"})
    credentials = new.credentials()
    assert (credentials.org_id, credentials.api_key, credentials.api_secret) == ("org_1", "key_1", SECRET)
    assert SECRET not in f"{new!r} {new}"


def test_new_api_key_without_organization_has_no_credentials():
    new = NewApiKey.from_fields({**FIELDS, "api_secret": SECRET})
    assert new.credentials("org_2").org_id == "org_2"
    with pytest.raises(ConfigurationError, match="org_id"):
        new.credentials()


def test_api_key_has_the_keys_around_it_and_who_used_it_last():
    used_by = {"user_agent": "scope-async/1.0", "address": "10.0.0.7"}
    key = ApiKey.from_fields({**FIELDS, "replaces": "key_0", "replaced_by": None, "last_used_by": used_by})
    assert (key.replaces, key.replaced_by) == ("key_0", None)
    assert key.last_used_by == KeyUser(user_agent="scope-async/1.0", address="10.0.0.7")
    assert str(key.last_used_by) == "scope-async/1.0 at 10.0.0.7"
    assert str(KeyUser()) == "an unknown process"
    with pytest.raises(ValueError, match="last_used_by"):
        ApiKey.from_fields({**FIELDS, "last_used_by": "someone"})


def test_new_api_key_has_the_key_that_it_replaces():
    new = NewApiKey.from_fields(
        {**FIELDS, "api_secret": SECRET, "replaced_key": {**FIELDS, "api_key": "key_0"}}
    )
    assert new.replaced_key is not None
    assert new.replaced_key.api_key == "key_0"
