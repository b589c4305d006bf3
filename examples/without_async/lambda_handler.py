"""A function for AWS Lambda: its process is frozen between calls, for as long as nobody calls."""

from __future__ import annotations

import os
from typing import Any

from scope_async.sync import ScopeClient

# Outside of the handler, so that token, prompts and connections are there for the next call.
scope = ScopeClient.from_env()


def handler(event: dict[str, Any], _context: object) -> dict[str, str | int]:
    return {"text": scope.render_prompt("greeting", {"name": event["name"]}), "process": os.getpid()}
