from __future__ import annotations

import traceback

import pytest

from scope_async.errors import ConfigurationError, ServerError
from scope_async.keys import ApiKeyAdmin

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


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "münze", None])
def test_admin_token_that_cannot_be_one_is_refused_without_showing_it(token):
    with pytest.raises(ConfigurationError, match="SCOPE_ADMIN_TOKEN") as caught:
        ApiKeyAdmin(URL, token)
    if token and token.strip():
        assert token not in str(caught.value)


def test_admin_refuses_plain_http_to_another_machine():
    ApiKeyAdmin("http://127.0.0.1:1", TOKEN)
    ApiKeyAdmin("http://scope.internal", TOKEN, allow_insecure=True)
    with pytest.raises(ConfigurationError, match="plain http") as caught:
        ApiKeyAdmin("http://scope.test", TOKEN)
    assert TOKEN not in str(caught.value)


def test_admin_refuses_unknown_options():
    with pytest.raises(TypeError, match="colour"):
        ApiKeyAdmin(URL, TOKEN, colour="red")


def test_from_env_names_all_missing_variables(monkeypatch):
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
async def test_create_with_a_broken_reply_leaks_no_secret(service, reply):
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


async def test_create_retries_with_the_same_idempotency_key(service):
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


async def test_list_with_a_repeated_cursor_is_an_error(service):
    service.get(f"{URL}/api/v1/api-keys", payload={"data": [FIELDS], "next_cursor": "a"})
    again = {"data": [FIELDS], "next_cursor": "a"}
    service.get(f"{URL}/api/v1/api-keys?cursor=a", payload=again, repeat=True)
    async with ApiKeyAdmin(URL, TOKEN, max_retries=0) as admin:
        with pytest.raises(ServerError, match="next page"):
            [key async for key in admin.list()]


@pytest.mark.parametrize("reply", [{"data": {}}, {"keys": []}, {"data": [5]}, {"data": [], "next_cursor": 5}])
async def test_list_that_is_no_list_is_an_error(service, reply):
    service.get(f"{URL}/api/v1/api-keys", payload=reply)
    async with ApiKeyAdmin(URL, TOKEN, max_retries=0) as admin:
        with pytest.raises(ServerError):
            [key async for key in admin.list()]
