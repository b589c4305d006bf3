"""A small Flask service that greets with a prompt from Scope.

gunicorn --preload --worker-class gthread --workers 2 flask_service:app
"""

from __future__ import annotations

import os

from flask import Flask

from scope_async.sync import ScopeClient

app = Flask(__name__)
scope = ScopeClient.from_env()  # starts nothing, so that it may be imported before a fork


@app.get("/greet/<name>")
def greet(name: str) -> dict[str, str | int]:
    return {"text": scope.render_prompt("greeting", {"name": name}), "process": os.getpid()}
