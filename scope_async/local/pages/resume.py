"""The address to which a browser returns after it had to sign in again, with what was typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from scope_async.local.pages.request import PageRequest

KEYS = "/settings/api-keys"
TYPED = "typed."
"""Begins the names of what was typed, in the query of a form's address."""
_LIMITS = {"name": 100, "environment": 20, "expires_in": 20, "overlap": 20, "reason": 500}
"""Fields whose values are kept, and their longest. The name that confirms a revocation is typed anew."""
_OWN = re.compile(rf"{KEYS}(?:[/?][\x21-\x7e]*)?", re.ASCII)
_NOT_KEPT = {"token", "from"}


def resume_address(request: PageRequest) -> str:
    """Return the address to come back to after this request was answered by the sign-in page."""
    path = request.http.rel_url.raw_path
    query = [(name, value) for name, value in request.http.query.items() if name not in _NOT_KEPT]
    if request.http.method == "POST":
        path = f"{KEYS}/new" if path == KEYS else path
        query += _typed(request.form, confirmed=path.endswith("/revoke"))
    return checked_address(f"{path}?{urlencode(query)}" if query else path)


def _typed(form: Mapping[str, str], *, confirmed: bool) -> list[tuple[str, str]]:
    names = [name for name in _LIMITS if name in form and not (confirmed and name == "name")]
    return [(f"{TYPED}{name}", form[name][: _LIMITS[name]]) for name in names]


def checked_address(text: str) -> str:
    """Return `text` if it is the address of a page of the keys, else that of their table."""
    path, _, query = text.partition("?")
    leaves = any(step in ("", ".", "..") for step in path[1:].split("/"))
    if _OWN.fullmatch(text) is None or leaves or "token" in dict(parse_qsl(query)):
        return KEYS
    return text
