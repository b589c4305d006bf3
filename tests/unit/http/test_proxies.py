from __future__ import annotations

import pytest
from yarl import URL

from scope_async.errors import ConfigurationError
from scope_async.http.proxies import Proxies

SCOPE = URL("https://scope.example/api/v1")


def test_without_variables_there_is_no_proxy() -> None:
    assert Proxies().choose(SCOPE) is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["http://proxy.example:3128", "proxy.example:3128"])
def test_the_environment_names_a_proxy_for_each_scheme(monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    assert Proxies().choose(SCOPE) == URL("http://proxy.example:3128")
    assert Proxies().choose(SCOPE.with_scheme("http")) is None


@pytest.mark.parametrize("value", ["scope.example", ".example", "other,scope.example", "*"])
def test_some_hosts_need_none(monkeypatch, value) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", value)
    assert Proxies().choose(SCOPE) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_what_is_for_this_machine_never_leaves_it(monkeypatch, host) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    assert Proxies().choose(URL(f"http://{host}:8080")) is None
    assert Proxies().choose(URL(f"https://{host}:8080")) is None


@pytest.mark.parametrize("value", ["http://", "http://joe:hunter2@:port", "://hunter2", "http://[hunter2"])
def test_a_proxy_that_is_no_url_is_named_and_not_shown(monkeypatch, value) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        Proxies().choose(SCOPE)
    assert "hunter2" not in str(caught.value)


def test_its_password_is_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://joe:hunter2@proxy.example")
    assert "hunter2" not in repr(Proxies())
