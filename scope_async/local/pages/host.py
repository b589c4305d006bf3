"""Which names in a `Host` header mean this machine."""

from __future__ import annotations

import re

from scope_async.config import is_loopback

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def is_own_host(header: str, *, configured: str, arrived_at: str) -> bool:
    """Tell whether a browser that sent this `Host` meant to come here.

    Against DNS rebinding: a page elsewhere can have its own name resolve to this machine,
    but cannot make a browser send another name. Good are loopback names and addresses, the
    host that Local Scope was told to listen on, and the address that the connection came in
    at. The port is not looked at: tunnels change it, and rebinding does not need it.
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().removesuffix(".")
    return is_loopback(name) or name in {configured.lower(), arrived_at.lower()} - {""}
