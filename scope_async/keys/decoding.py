"""Replies about API keys, read into what an administrator's client returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, Self, TypeVar

from scope_async.errors import ServerError
from scope_async.http.decoding import broken, is_success, read_object
from scope_async.http.messages import Reply


class Readable(Protocol):
    """A class whose instances can be read from a JSON object; `ValueError` for an unfit object."""

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> Self: ...


Item = TypeVar("Item", bound=Readable)


def reading(kind: type[Item]) -> Callable[[Reply], Item]:
    """Return a function that reads one `kind` from a reply.

    It raises `ServerError` for a reply that is not what the contract says, without its body.
    """

    def read(reply: Reply) -> Item:
        try:
            return _item(reply, kind, read_object(reply))
        except ServerError as error:
            if not is_success(reply):
                raise
            bodiless = error.replace(error_code=None, http_body=None)
        # A reply that claims success may hold an API secret, so its body is dropped. Raised out here,
        # because `from None` hides the error that has the body and keeps it all the same.
        raise bodiless

    return read


def reading_page(kind: type[Item], seen: Collection[str]) -> Callable[[Reply], tuple[list[Item], str | None]]:
    """Return a function that reads a page of `kind` and the next page's cursor, None at the end.

    `seen` are the cursors so far: a service that returns one of them again would be asked for ever.
    """

    def read(reply: Reply) -> tuple[list[Item], str | None]:
        document = read_object(reply, "data")
        data, following = document["data"], document.get("next_cursor")
        if not isinstance(data, list) or not isinstance(following, str | None):
            raise broken(reply, "the service's answer is not a page of a list")
        if following in seen:
            raise broken(reply, "the service's next page is one that it has given already")
        return [_item(reply, kind, fields) for fields in data], following

    return read


def _item(reply: Reply, kind: type[Item], fields: object) -> Item:
    if not isinstance(fields, dict):
        raise broken(reply, "the service's answer has something else where an object was expected")
    try:
        return kind.from_fields(fields)
    except ValueError as error:
        raise broken(reply, f"the service's answer is not what the contract says: {error}") from None
