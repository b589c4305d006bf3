"""Local Scope: the Scope platform's APIs on this machine, for tests and development."""

from scope_async.local.fault import Fault
from scope_async.local.faults import ActiveFault, Faults
from scope_async.local.journal import Journal, JournalEntry
from scope_async.local.scope import LocalScope

__all__ = ["ActiveFault", "Fault", "Faults", "Journal", "JournalEntry", "LocalScope"]
