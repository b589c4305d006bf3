"""A parent and three children of a client that is in use read for some seconds: `family.py SECONDS`."""

from __future__ import annotations

import os
import sys
import time

from scope_async.sync import ScopeClient

scope = ScopeClient.from_env(cache_ttl=0.05)


def read() -> None:
    until = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < until:
        assert scope.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"
        time.sleep(0.005)


scope.prefetch(["greeting"])
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        read()
        sys.exit(0)
    children.append(child)
read()
print([os.waitpid(child, 0)[1] for child in children])
