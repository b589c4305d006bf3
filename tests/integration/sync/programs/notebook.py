"""Runs the notebook of the examples in a kernel of its own; prints what its cells show, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

EXAMPLES = Path(__file__).parents[4] / "examples" / "without_async"

notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
with TemporaryDirectory() as folder:  # else its sockets are where other kernels have theirs
    options = Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
    NotebookClient(notebook, timeout=40, kernel_name="python3", config=options).execute()
outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
print(json.dumps([output.get("text") or output["data"]["text/plain"] for output in outputs]))
