"""A Celery application with a task that uses a prompt from Scope.

celery --app celery_tasks worker --pool prefork --concurrency 2
"""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from scope_async.sync import ScopeClient

# A broker of files, so that the example needs no other server.
FOLDER = Path(os.environ.get("CELERY_FOLDER", "celery-data")).absolute()
FOLDER.mkdir(exist_ok=True)

app = Celery("celery_tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER),
    "data_folder_out": str(FOLDER),
    "control_folder": str(FOLDER / "control"),
    "polling_interval": 0.01,
}

scope = ScopeClient.from_env()  # of all tasks; each worker process makes its own connections


@app.task
def greet(name: str) -> dict[str, str | int]:
    """Return the greeting."""
    return {"text": scope.render_prompt("greeting", {"name": name}), "process": os.getpid()}
