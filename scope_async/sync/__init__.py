"""The clients of `scope_async` without `async`: the same constructors and methods, usable from any thread."""

from scope_async.sync.admin import ApiKeyAdmin as ApiKeyAdmin
from scope_async.sync.client import ScopeClient as ScopeClient
