from __future__ import annotations

import pytest
from yarl import URL

from scope_async.errors import ConfigurationError
from scope_async.http.proxies import Proxies

SCOPE = URL("https://scope.example/api/v1")


def test_choose_returns_none_without_variables() -> None:
    assert Proxies().choose(SCOPE) is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["http://proxy.example:3128", "proxy.example:3128"])
def test_choose_returns_the_proxy_of_the_scheme(monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    assert Proxies().choose(SCOPE) == URL("http://proxy.example:3128")
    assert Proxies().choose(SCOPE.with_scheme("http")) is None


@pytest.mark.parametrize("value", ["scope.example", ".example", "other,scope.example", "*"])
def test_choose_returns_none_for_hosts_of_no_proxy(monkeypatch, value) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", value)
    assert Proxies().choose(SCOPE) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_choose_returns_none_for_loopback(monkeypatch, host) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    assert Proxies().choose(URL(f"http://{host}:8080")) is None
    assert Proxies().choose(URL(f"https://{host}:8080")) is None


@pytest.mark.parametrize("value", ["http://", "http://joe:hunter2@:port", "://hunter2", "http://[hunter2"])
def test_choose_names_the_variable_of_an_invalid_proxy_without_its_value(monkeypatch, value) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        Proxies().choose(SCOPE)
    assert "hunter2" not in str(caught.value)


def test_repr_shows_no_password(monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://joe:hunter2@proxy.example")
    assert "hunter2" not in repr(Proxies())
