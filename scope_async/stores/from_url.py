"""The store that a URL names, as in `SCOPE_STORE_URL`."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from scope_async.errors import ConfigurationError
from scope_async.stores.file.store import FileStore
from scope_async.stores.protocol import SharedStore

_REDIS_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")


def store_from_url(url: str) -> SharedStore:
    """Return a `FileStore` for `file:///folder`, a `RedisStore` for the URL of a Redis; connects to nothing.

    Raises:
        ConfigurationError: no such URL, or the extra that it needs is not installed.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError("the store's URL cannot be read") from None
    if parts.scheme in _REDIS_SCHEMES:
        return _redis_store(url)
    if parts.scheme != "file":
        # Not shown whole: it may be a password that stands in the wrong place.
        schemes = ", ".join(f"{scheme}://" for scheme in ("file", *_REDIS_SCHEMES))
        raise ConfigurationError(f"a store's URL begins with {schemes}; this one with {parts.scheme!r}")
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.path == "/":
        raise ConfigurationError("a store's file URL names a folder: file:///run/scope")
    if parts.query or parts.fragment:
        raise ConfigurationError("a store's file URL has no query and no fragment")
    return FileStore(unquote(parts.path))


def _redis_store(url: str) -> SharedStore:
    try:
        from scope_async.stores.redis.store import RedisStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"a store in Redis needs {error.name}: pip install 'scope-async[redis]'"
        ) from None
    return RedisStore(url)
