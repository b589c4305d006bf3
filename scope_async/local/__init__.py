"""Local Scope: the Scope platform's APIs on this machine, for tests and development."""

from importlib.util import find_spec as _find_spec

if not all(map(_find_spec, ("aiosqlite", "jinja2", "yaml"))):
    # The imports below would fail with the name of a module; this error says what to install.
    raise ModuleNotFoundError(
        "Local Scope needs the extra 'local'; get it with: pip install 'scope-async[local]'",
        name="scope_async.local",
    )

from scope_async.local.faults.registry import ActiveFault, Faults
from scope_async.local.faults.spec import Fault
from scope_async.local.scope import LocalScope, ThreadedLocalScope
from scope_async.local.web.journal import Journal, JournalEntry

__all__ = ["ActiveFault", "Fault", "Faults", "Journal", "JournalEntry", "LocalScope", "ThreadedLocalScope"]
