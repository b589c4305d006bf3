"""What an administrator's client makes of replies, and what it never shows."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta, timezone

import pytest

from scope_async.errors import ConfigurationError, ServerError
from scope_async.keys import ApiKey, ApiKeyAdmin, KeyEvent, NewApiKey

URL = "https://scope.test"
TOKEN = "admin_0123456789"
SECRET = "secret_0123456789"
FIELDS = {
    "api_key": "key_1",
    "name": "billing-service-prod",
    "environment": "production",
    "status": "active",
    "created_at": "2026-01-02T03:04:05.678Z",
}


def test_a_key_has_aware_times_and_none_where_nothing_happened():
    key = ApiKey.from_fields({**FIELDS, "last_used_at": None, "expires_at": "2026-02-02T00:00:00+02:00"})
    assert key.created_at == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert key.expires_at == datetime(2026, 2, 2, tzinfo=timezone(timedelta(hours=2)))
    assert key.last_used_at is None
    assert key.revoked_at is None


def test_a_time_without_a_zone_is_utc():
    assert ApiKey.from_fields({**FIELDS, "created_at": "2026-01-02T03:04:05"}).created_at.tzinfo is UTC


def test_unknown_fields_and_statuses_are_no_error():
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
def test_a_field_that_is_not_as_agreed_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        ApiKey.from_fields({**FIELDS, **wrong})


def test_an_event_stands_for_one_or_more():
    at = "2026-01-02T03:04:05Z"
    assert KeyEvent.from_fields({"event": "created", "at": at}).count == 1
    assert KeyEvent.from_fields({"event": "refused", "at": at, "count": 7}).count == 7
    for wrong in ({"event": "used"}, {"at": at}, {"event": "used", "at": at, "count": "many"}):
        with pytest.raises(ValueError, match=r"at|event|count"):
            KeyEvent.from_fields(wrong)


def test_a_new_key_becomes_credentials_and_hides_its_secret():
    new = NewApiKey.from_fields({**FIELDS, "api_secret": SECRET, "org_id": "org_1"})
    credentials = new.credentials()
    assert (credentials.org_id, credentials.api_key, credentials.api_secret) == ("org_1", "key_1", SECRET)
    assert SECRET not in f"{new!r} {new}"


def test_whose_key_it_is_must_be_known():
    new = NewApiKey.from_fields({**FIELDS, "api_secret": SECRET})
    assert new.credentials("org_2").org_id == "org_2"
    with pytest.raises(ConfigurationError, match="org_id"):
        new.credentials()


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "münze", None])
def test_what_cannot_be_a_token_is_refused_and_not_repeated(token):
    with pytest.raises(ConfigurationError, match="SCOPE_ADMIN_TOKEN") as caught:
        ApiKeyAdmin(URL, token)
    if token and token.strip():
        assert token not in str(caught.value)


def test_plain_http_goes_to_this_machine_only():
    ApiKeyAdmin("http://127.0.0.1:1", TOKEN)
    ApiKeyAdmin("http://scope.internal", TOKEN, allow_insecure=True)
    with pytest.raises(ConfigurationError, match="plain http") as caught:
        ApiKeyAdmin("http://scope.test", TOKEN)
    assert TOKEN not in str(caught.value)


def test_unknown_options_are_a_type_error():
    with pytest.raises(TypeError, match="colour"):
        ApiKeyAdmin(URL, TOKEN, colour="red")


def test_all_that_the_environment_lacks_is_named(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"SCOPE_API_URL, SCOPE_ADMIN_TOKEN"):
        ApiKeyAdmin.from_env()
    monkeypatch.setenv("SCOPE_API_URL", URL)
    monkeypatch.setenv("SCOPE_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("SCOPE_TOKEN_REFRESH_BUFFER", "soon")  # no concern of an administrator
    admin = ApiKeyAdmin.from_env(timeout=5)
    assert admin.config.base_url == URL
    assert admin.config.timeout == 5
    assert TOKEN not in repr(admin)


@pytest.mark.parametrize(
    "reply",
    [
        {**FIELDS, "api_secret": SECRET, "created_at": SECRET},
        {"secret": SECRET},
        {**FIELDS, "api_secret": [SECRET]},
        [SECRET],
        SECRET,
    ],
)
async def test_a_broken_reply_to_a_creation_leaks_no_secret(service, reply):
    service.post(f"{URL}/api/v1/api-keys", status=201, payload=reply)
    async with ApiKeyAdmin(URL, TOKEN, max_retries=0) as admin:
        with pytest.raises(ServerError) as caught:
            await admin.create("billing")
    shown = "".join(traceback.format_exception(caught.value))
    for text in (shown, repr(vars(caught.value))):
        assert SECRET not in text
        assert TOKEN not in text
    # Also `from None` keeps what it hides, for every collector of errors that looks.
    assert caught.value.__context__ is None


async def test_a_creation_that_is_tried_again_is_the_same_one(service):
    keys = []

    def note(url, **kwargs):
        keys.append(kwargs["headers"]["Idempotency-Key"])

    path = f"{URL}/api/v1/api-keys"
    service.post(path, status=503, callback=note)
    service.post(path, status=201, payload={**FIELDS, "api_secret": SECRET}, callback=note)
    service.post(path, status=201, payload={**FIELDS, "api_secret": SECRET}, callback=note)
    async with ApiKeyAdmin(URL, TOKEN, retry_base_delay=0) as admin:
        await admin.create("billing")
        await admin.create("billing")
    assert keys[0] == keys[1] != keys[2]


async def test_pages_that_never_end_are_an_error(service):
    service.get(f"{URL}/api/v1/api-keys", payload={"data": [FIELDS], "next_cursor": "a"})
    again = {"data": [FIELDS], "next_cursor": "a"}
    service.get(f"{URL}/api/v1/api-keys?cursor=a", payload=again, repeat=True)
    async with ApiKeyAdmin(URL, TOKEN, max_retries=0) as admin:
        with pytest.raises(ServerError, match="next page"):
            [key async for key in admin.list()]


@pytest.mark.parametrize("reply", [{"data": {}}, {"keys": []}, {"data": [5]}, {"data": [], "next_cursor": 5}])
async def test_a_list_that_is_none_is_an_error(service, reply):
    service.get(f"{URL}/api/v1/api-keys", payload=reply)
    async with ApiKeyAdmin(URL, TOKEN, max_retries=0) as admin:
        with pytest.raises(ServerError):
            [key async for key in admin.list()]
