"""Calls the handler of `examples/without_async/lambda_handler.py` with each line of JSON on stdin."""

from __future__ import annotations

import json
import sys

from lambda_handler import handler

for line in sys.stdin:
    print(json.dumps(handler(json.loads(line), None)), flush=True)
