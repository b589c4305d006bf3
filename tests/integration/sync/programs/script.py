"""A script that uses a prompt 160 times, and closes nothing."""

from __future__ import annotations

import json
import os

from scope_async.sync import ScopeClient

scope = ScopeClient.from_env()
found = [
    {"text": scope.render_prompt("greeting", {"name": f"caller {number}"}), "process": os.getpid()}
    for number in range(160)
]
print(json.dumps(found))
