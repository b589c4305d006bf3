from __future__ import annotations

from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from scope_async.local.web.request_guard import RequestGuard


def request_for(host: str, *, arrived_at: str = "172.17.0.2") -> web.Request:
    transport = Mock()
    transport.get_extra_info.side_effect = {"sockname": (arrived_at, 8400)}.get
    return make_mocked_request("GET", "/", headers={"Host": host}, transport=transport)


@pytest.mark.parametrize("host", ["scope:8400", "SCOPE", "172.17.0.2:8400", "localhost:1", "[::1]:8400"])
def test_is_own_host_for_configured_names_loopback_and_the_address_of_the_connection(host) -> None:
    assert RequestGuard("scope", "").is_own_host(request_for(host))


@pytest.mark.parametrize("host", ["other:8400", "172.17.0.3:8400", "scope.evil.example", "scope@evil", ""])
def test_is_own_host_for_no_other_name(host) -> None:
    assert not RequestGuard("scope", "").is_own_host(request_for(host))
