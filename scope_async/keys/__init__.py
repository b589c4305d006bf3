"""API keys: what they are, and how an administrator manages them."""

from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import ApiKey, KeyEvent, KeyUser, NewApiKey

__all__ = ["ApiKey", "ApiKeyAdmin", "KeyEvent", "KeyUser", "NewApiKey"]
