"""Forks while a TLS connection is open, and lets the child end in one of several ways: `forked.py WAY`.

Prints what the parent was answered before and after. Without an exchange: the token is made up.
"""

from __future__ import annotations

import gc
import os
import sys
import threading

from scope_async.auth.exchange import ExchangeResponse
from scope_async.sync import ScopeClient

way = sys.argv[1]


async def exchange(credentials, /, *, rejected=None):
    return ExchangeResponse("a-token", 3600)


scope = ScopeClient.from_env(exchange=exchange)


def read() -> str:
    return scope.get_prompt_version("greeting", cache=False).content


def end_child() -> None:
    """End this process, a forked child, or return to let it end as a script does."""
    global scope  # noqa: PLW0603 - to be collected
    match way:
        case "os._exit":
            os._exit(0)
        case "close":
            scope.close()
        case "collect":
            del scope
            gc.collect()
        case "close, collect":
            scope.close()
            del scope
            gc.collect()
        case "use":
            assert read() == "text"


print(read(), flush=True)
in_flight = threading.Thread(target=lambda: print(scope.get_prompt_version("held", cache=False).content))
if way == "in flight":
    in_flight.start()
    sys.stdin.readline()  # the server has the request
child = os.fork()
if child == 0:
    end_child()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
if way == "in flight":
    print("child ended", flush=True)
    in_flight.join()
print(read())
scope.close()
