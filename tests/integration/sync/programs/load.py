"""Reads from 8 threads for some seconds: `load.py SECONDS`; prints a line of JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from scope_async import ScopeError
from scope_async.sync import ScopeClient

DESCRIPTORS = Path("/proc/self/fd")

scope = ScopeClient.from_env(cache_ttl=0.2)
scope.get_prompt_version("greeting")
time.sleep(0.3)
descriptors = [len([*DESCRIPTORS.iterdir()])]
until = time.monotonic() + float(sys.argv[1])
calls, failures = [], []


def work() -> None:
    done = 0
    while time.monotonic() < until:
        try:
            scope.render_prompt("greeting", {"name": "Ada"})
        except ScopeError as error:
            failures.append(repr(error))
        done += 1
        if done % 1000 == 0:
            time.sleep(0.01)  # a share of the machine for the others
    calls.append(done)


threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
descriptors.append(len([*DESCRIPTORS.iterdir()]))
print(json.dumps({"calls": sum(calls), "failures": failures, "descriptors": descriptors}))
