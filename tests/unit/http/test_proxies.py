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


def direct(monkeypatch, no_proxy: str, url: str, name: str = "NO_PROXY") -> bool:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv(name, no_proxy)
    return Proxies().choose(URL(url)) is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3/8", "https://10.200.0.1", True),
        ("192.168.0.0/16,10.0.0.0/8", "https://10.1.2.3:8443", True),
        ("2001:db8::/32", "https://[2001:db8::5]", True),
        ("[2001:db8::]/32", "https://[2001:db8::5]", True),
        ("2001:db8::/32", "https://[2001:db9::5]", False),
        ("10.0.0.0/8", "https://[::ffff:10.1.2.3]", True),
        ("10.0.0.0/8", "https://ten.example", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3", "https://110.1.2.3", False),
        ("1.2.3", "https://10.1.2.3", False),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.3:444", "https://10.1.2.3", False),
        ("10.0.0.0/8:443", "https://10.1.2.3", True),
        ("[2001:db8::5]", "https://[2001:db8::5]:8443", True),
        ("[2001:db8::5]:443", "https://[2001:db8::5]", True),
        ("[2001:db8::5]:443", "https://[2001:db8::5]:8443", False),
        ("2001:db8::5", "https://[2001:DB8:0::5]", True),
        ("scope.example", "https://scope.example", True),
        ("scope.example", "https://api.scope.example", True),
        ("scope.example", "https://myscope.example", False),
        ("scope.example:443", "https://scope.example", True),
        ("scope.example:443", "https://scope.example:444", False),
        ("scope.example:80", "http://scope.example", True),
        (".scope.example", "https://api.scope.example", True),
        (".scope.example", "https://scope.example", True),
        ("..scope.example", "https://api.scope.example", True),
        ("*.scope.example", "https://api.scope.example", True),
        ("*.scope.example", "https://a.b.scope.example", True),
        ("*.scope.example", "https://scope.example", False),
        ("*.scope.example:8443", "https://api.scope.example:8443", True),
        ("*.scope.example:8443", "https://api.scope.example", False),
        ("SCOPE.Example", "https://scope.EXAMPLE", True),
        ("scope.example.", "https://scope.example", True),
        ("scope.example", "https://scope.example.", True),
        (" a.example , scope.example ", "https://scope.example", True),
        ("a.example scope.example", "https://scope.example", True),
        ("a.example\tscope.example\n", "https://scope.example", True),
        (",,scope.example,", "https://scope.example", True),
        ("*", "https://scope.example", True),
        ("*", "https://10.1.2.3", True),
        ("a.example,*", "https://scope.example", True),
        ("", "https://scope.example", False),
        (",", "https://scope.example", False),
        (".", "https://scope.example", False),
        ("example", "https://scope.example", True),
        ("ample", "https://scope.example", False),
        ("https://scope.example", "https://scope.example", False),
    ],
)
def test_no_proxy_is_read_as_curl_and_go_do(monkeypatch, no_proxy, url, expected) -> None:
    assert direct(monkeypatch, no_proxy, url) is expected
    monkeypatch.delenv("NO_PROXY")
    assert direct(monkeypatch, no_proxy, url, name="no_proxy") is expected


@pytest.mark.parametrize(
    ("variables", "https", "http"),
    [
        ({"ALL_PROXY": "http://all"}, "http://all", "http://all"),
        ({"all_proxy": "http://all"}, "http://all", "http://all"),
        ({"ALL_PROXY": "http://all", "HTTPS_PROXY": "http://s"}, "http://s", "http://all"),
        ({"ALL_PROXY": "http://all", "https_proxy": ""}, "http://all", "http://all"),
        ({"HTTPS_PROXY": "http://big", "https_proxy": "http://small"}, "http://small", None),
        ({"ALL_PROXY": "http://big", "all_proxy": "http://small"}, "http://small", "http://small"),
        ({"HTTP_PROXY": "http://h"}, None, "http://h"),
        ({"HTTP_PROXY": "http://h", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "http://h", "REQUEST_METHOD": "GET"}, None, "http://h"),
        (
            {"HTTP_PROXY": "http://h", "ALL_PROXY": "http://all", "REQUEST_METHOD": "GET"},
            "http://all",
            "http://all",
        ),
        ({"HTTPS_PROXY": "http://s", "REQUEST_METHOD": "GET"}, "http://s", None),
        ({"HTTPS_PROXY": "https://s:8443"}, "https://s:8443", None),
        ({"HTTPS_PROXY": " http://s "}, "http://s", None),
        ({"NO_PROXY": "*"}, None, None),
    ],
)
def test_variables_are_read_as_curl_and_go_do(monkeypatch, variables, https, http) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for url, expected in ((SCOPE, https), (SCOPE.with_scheme("http"), http)):
        assert Proxies().choose(url) == (None if expected is None else URL(expected))


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks4a", "socks5", "socks5h", "SOCKS5"])
@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_socks_proxy_is_an_error_that_says_so(monkeypatch, scheme, name) -> None:
    monkeypatch.setenv(name, f"{scheme}://joe:hunter2@proxy.example:1080")
    with pytest.raises(
        ConfigurationError, match=rf"{name} names a SOCKS proxy \({scheme.lower()}://\)"
    ) as caught:
        Proxies().choose(SCOPE)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "scope.example")
    assert Proxies().choose(SCOPE) is None


@pytest.mark.parametrize(
    "value", ["ftp://joe:hunter2@proxy.example", "unix:///run/hunter2", "http://proxy:99999"]
)
def test_proxy_of_another_kind_is_an_error(monkeypatch, value) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY is not a URL of an http") as caught:
        Proxies().choose(SCOPE)
    assert "hunter2" not in str(caught.value)
