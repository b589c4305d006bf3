"""`python -m scope_async.cli` is the command `scope-async`."""

from scope_async.cli import main

main()
