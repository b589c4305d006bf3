from __future__ import annotations

import ssl
from contextlib import suppress
from functools import partial
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from scope_async import ApiKeyAdmin, ApiKeyCredentials, ScopeClient, TokenSource
from scope_async.config import AdminOptions, Config, Options, is_loopback
from scope_async.environment import OPTION_VARIABLES
from scope_async.errors import ConfigurationError

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")
URLS = {"base_url": "https://scope.example", "auth_api_url": "https://auth.example"}
VARIABLES = {"SCOPE_API_URL": "https://scope.example", "SCOPE_AUTH_API_URL": "https://auth.example"}


# Contract 2.1. A default that moves is a change that users feel, so it is written here again.
DEFAULTS = {
    "allow_insecure": False,
    "api_version": "v1",
    "auth_dialect": "auto",
    "timeout": 30,
    "open_timeout": 10,
    "max_retries": 3,
    "retry_base_delay": 0.5,
    "retry_max_delay": 30.0,
    "cache_enabled": True,
    "cache_ttl": 300,
    "cache_max_entries": 1000,
    "stale_while_revalidate": 60,
    "stale_if_error": 86400,
    "unknown_variables": "error",
    "environment": "production",
    "token_refresh_buffer": 60,
    "max_connections": 100,
    "telemetry_enabled": True,
    "snapshot_path": None,
    "cache_max_bytes": 67108864,
    "store_url": None,
    "stale_timeout": 2,
    "ssl": None,
}


def test_defaults_are_those_of_the_contract() -> None:
    assert msgspec.structs.asdict(Config(**URLS)) == URLS | DEFAULTS


def test_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Config(**URLS).timeout = 1  # type: ignore[misc]


def test_from_env_reads_the_variables() -> None:
    config = Config.from_env(
        environ=VARIABLES | {"SCOPE_ENVIRONMENT": " staging ", "SCOPE_TOKEN_REFRESH_BUFFER": "12.5"}
    )
    assert (config.base_url, config.auth_api_url) == tuple(URLS.values())
    assert (config.environment, config.token_refresh_buffer) == ("staging", 12.5)


def test_explicit_option_wins_over_the_environment_also_when_it_is_the_default() -> None:
    environ = VARIABLES | {"SCOPE_ENVIRONMENT": "staging", "SCOPE_TOKEN_REFRESH_BUFFER": "soon"}
    config = Config.from_env(environ=environ, environment="production", token_refresh_buffer=60)
    assert (config.environment, config.token_refresh_buffer) == ("production", 60)


def test_explicit_options_need_no_environment() -> None:
    assert Config.from_env(environ={}, **URLS) == Config(**URLS)


def test_from_env_names_wrong_and_missing_variables_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_env(environ={"SCOPE_API_URL": "https://s", "SCOPE_TOKEN_REFRESH_BUFFER": "soon"})
    assert type(caught.value) is ConfigurationError
    assert "SCOPE_AUTH_API_URL" in str(caught.value)
    assert "SCOPE_TOKEN_REFRESH_BUFFER" in str(caught.value)
    assert "'soon'" in str(caught.value)


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_from_env_names_the_variable_of_a_number_that_is_no_duration(value) -> None:
    with pytest.raises(ConfigurationError, match="SCOPE_TOKEN_REFRESH_BUFFER"):
        Config.from_env(environ=VARIABLES | {"SCOPE_TOKEN_REFRESH_BUFFER": value})


def test_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"timeuot \(did you mean timeout"):
        Config.from_env(environ=VARIABLES, timeuot=1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("base_url", ""),
        ("base_url", None),
        ("base_url", "scope.example"),
        ("base_url", "ftp://scope.example"),
        ("base_url", "https://"),
        ("base_url", "https://:443"),
        ("base_url", "https://scope.example:port"),
        ("base_url", "https://scope.example:99999"),
        ("base_url", "https://[::1"),
        ("base_url", "https://scope example"),
        ("base_url", "https://scope.example/a b"),
        ("base_url", "https://scope.example\n.evil.example"),
        ("base_url", "https://scope.example\\evil.example"),
        ("base_url", "https://scope.example?tenant=1"),
        ("base_url", "https://scope.example#top"),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", "30"),
        ("timeout", True),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("timeout", None),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("max_connections", 0),
        ("cache_max_entries", 0),
        ("cache_enabled", "yes"),
        ("auth_dialect", "oauth"),
        ("auth_dialect", []),
        ("unknown_variables", "warn"),
        ("environment", "prod\r\nX-Evil: 1"),
        ("environment", ""),
        ("environment", None),
        ("api_version", "../v2"),
    ],
)
def test_unacceptable_value_names_its_option(option, value) -> None:
    with pytest.raises(ConfigurationError, match=option):
        Config(**{**URLS, option: value})


@pytest.mark.parametrize("scheme", ["https", "ftp"])
def test_url_with_a_password_is_refused_without_showing_it(scheme) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config(**URLS | {"base_url": f"{scheme}://user:hunter2@scope.example"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("separator", ["?token=", "#", "?a=1#"])
def test_url_with_query_or_fragment_is_refused_without_showing_its_token(separator) -> None:
    with pytest.raises(ConfigurationError, match="query or a fragment") as caught:
        Config(**URLS | {"base_url": f"https://scope.example/settings{separator}admin_hunter2"})
    assert "hunter2" not in str(caught.value)


def test_url_loses_its_trailing_slash() -> None:
    assert Config(**URLS | {"base_url": "https://scope.example/api/v1/"}).base_url.endswith("/api/v1")


@pytest.mark.parametrize("option", list(URLS))
@pytest.mark.parametrize(
    "url",
    [
        "http://scope.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0",
        "http://127.1",
    ],
)
def test_url_of_plain_http_to_another_machine_is_refused(option, url) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}.*SCOPE_ALLOW_INSECURE=1"):
        Config(**{**URLS, option: url})
    assert Config(**{**URLS, option: url}, allow_insecure=True)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "http://127.9.9.9", "http://localhost", "http://LOCALHOST", "http://[::1]:1"],
)
def test_url_of_plain_http_to_loopback_is_allowed(url) -> None:
    assert Config(**URLS | {"base_url": url}).base_url == url


def test_is_loopback_accepts_this_machine_only() -> None:
    assert is_loopback("::1")
    assert not is_loopback("")
    assert not is_loopback("::")
    assert not is_loopback("127.0.0.1.")


def test_resolve_replaces_options_of_a_config() -> None:
    config = Config(**URLS, timeout=5)
    assert Config.resolve(config, {"max_retries": 0}) == Config(**URLS, timeout=5, max_retries=0)
    with pytest.raises(TypeError, match="timeuot"):
        Config.resolve(config, {"timeuot": 1})  # type: ignore[typeddict-unknown-key]


def test_options_are_the_fields_of_config() -> None:
    hints = get_type_hints(Config)
    fields = {name: hints[name] for name in Config.__struct_fields__}
    assert get_type_hints(Options) == fields
    assert get_type_hints(AdminOptions) == {name: kind for name, kind in fields.items() if name != "base_url"}
    assert not Options.__required_keys__


def test_option_variables_belong_to_options() -> None:
    assert set(OPTION_VARIABLES) <= set(Config.__struct_fields__)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]evil.com",
        "http://[::1",
        "http://::1]",
        "http://[::1]:x",
        "https://[1.2.3.4]",
        "https://[v1.x]",
        "https://[fe80::1%25eth0]evil",
        "https://scope.example:99999",
        "https://scope.example:-1",
        "https://scope.example:\u0661",
        "https://a..b\udc80",
        "https://\udc80.example",
        "https://" + "a" * 70 + ".example",
        "https://xn--\u00e9.example",
        "https://exam\u2100ple",
        "https://.",
        "https://@",
        "https://[]",
        "https://:443",
        b"https://scope.example",
        7,
        None,
        ["https://scope.example"],
    ],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["base_url", "auth_api_url"])
def test_url_that_cannot_be_used_is_a_configuration_error_of_every_constructor(name, url) -> None:
    options = {"base_url": "https://scope.example", "auth_api_url": "https://scope.example", name: url}
    try:
        config = Config(**options)
    except ConfigurationError:
        pass
    else:
        # Where Python's reader and aiohttp's find nothing wrong, it names a host.
        assert URL(getattr(config, name)).host
    for build in (partial(ScopeClient, CREDENTIALS), partial(TokenSource, CREDENTIALS)):
        try:
            build(**options)
        except ConfigurationError:
            continue
    if name == "base_url":
        with suppress(ConfigurationError):
            ApiKeyAdmin(url, "token")


@given(st.text(max_size=20))
def test_any_url_is_accepted_or_a_configuration_error(text) -> None:
    for url in (text, f"https://{text}", f"http://[{text}]", f"https://a{text}.example:{text}"):
        try:
            config = Config(base_url=url, auth_api_url=url, allow_insecure=True)
        except ConfigurationError:
            continue
        assert URL(config.base_url + "/x", encoded=True).host


def test_international_name_is_kept_in_its_ascii_form() -> None:
    config = Config(base_url="https://prénom.example/é/", auth_api_url="https://scope.example")
    assert config.base_url == "https://xn--prnom-csa.example/%C3%A9"


def test_http_to_an_address_with_something_behind_it_names_the_option() -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        Config(base_url="http://[::1]evil.com", auth_api_url="http://localhost:1")


@pytest.mark.parametrize(
    "name", ["timeout", "open_timeout", "cache_ttl", "token_refresh_buffer", "retry_max_delay"]
)
@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), "5", None, True, 1j])
def test_number_that_cannot_be_computed_with_is_a_configuration_error(name, value) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Config(**URLS, **{name: value})


@pytest.mark.parametrize("value", [{"password": "hunter2"}, True, False, "ca.pem", ssl.SSLContext, 7])
def test_ssl_is_a_context_or_none_and_nothing_given_instead_is_shown(value) -> None:
    with pytest.raises(ConfigurationError, match=r"ssl must be an ssl\.SSLContext or None") as caught:
        Config(**URLS, ssl=value)
    assert "hunter2" not in str(caught.value)


def test_ssl_is_kept_as_it_is() -> None:
    context = ssl.create_default_context()
    config = Config(**URLS, ssl=context)
    assert msgspec.structs.replace(config, timeout=1).ssl is context
    assert "password" not in repr(config)


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("true", True), (" TRUE ", True), ("0", False), ("false", False)]
)
def test_allow_insecure_is_read_from_the_environment(value, expected) -> None:
    environ = VARIABLES | {"SCOPE_ALLOW_INSECURE": value}
    assert Config.from_env(environ=environ).allow_insecure is expected
    assert Config.from_env(environ=environ, allow_insecure=False).allow_insecure is False


def test_allow_insecure_that_is_no_switch_is_named() -> None:
    with pytest.raises(ConfigurationError, match="SCOPE_ALLOW_INSECURE must be 1 or true"):
        Config.from_env(environ=VARIABLES | {"SCOPE_ALLOW_INSECURE": "maybe"})


def test_allow_insecure_of_the_environment_counts_for_client_and_admin_client(monkeypatch) -> None:
    plain = "http://scope.example"
    for name, value in {
        "SCOPE_API_URL": plain,
        "SCOPE_AUTH_API_URL": plain,
        "SCOPE_ORG_ID": "org_1",
        "SCOPE_API_KEY": "key_1",
        "SCOPE_API_SECRET": "secret_1",
        "SCOPE_ADMIN_TOKEN": "admin",
    }.items():
        monkeypatch.setenv(name, value)
    for build in (ScopeClient.from_env, ApiKeyAdmin.from_env, partial(ScopeClient, CREDENTIALS)):
        monkeypatch.setenv("SCOPE_ALLOW_INSECURE", "0")
        with pytest.raises(ConfigurationError, match="in the clear"):
            build()
        monkeypatch.setenv("SCOPE_ALLOW_INSECURE", "1")
        assert build().config.allow_insecure is True
