"""The command `scope-async`. It needs the extra `cli`; `serve` and `demo` also need `local`."""

from __future__ import annotations

import contextlib
import sys
from importlib.util import find_spec

_NEEDED = {"cli": ("typer", "rich"), "local": ("aiosqlite", "jinja2")}
_LOCAL_COMMANDS = frozenset({"serve", "demo"})


def main() -> None:
    """Run the command line and exit: 0 done, 1 refused or not answered, 2 wrong use, 3 findings of an audit.

    If an extra is missing, one line says how to install it.
    """
    extras = ["cli"]
    if _LOCAL_COMMANDS.intersection(sys.argv[1:2]):
        extras.append("local")
    missing = [extra for extra in extras if not all(map(find_spec, _NEEDED[extra]))]
    if missing:
        install = f"pip install 'scope-async[{','.join(extras)}]'"
        sys.stderr.write(f"scope-async: this command is not installed; get it with: {install}\n")
        sys.exit(2)
    from scope_async.cli.app import app  # noqa: PLC0415 - needs the extra
    from scope_async.cli.output import discard  # noqa: PLC0415 - the same

    try:
        try:
            app()
        except SystemExit:
            sys.stdout.flush()
            raise
    except OSError as error:
        discard(sys.stdout)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"scope-async: {error}\n")
        sys.exit(1)
