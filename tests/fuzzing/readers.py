"""What comes from a service or out of a file, read from any bytes: one kind of error may leave."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from multidict import CIMultiDict

from scope_async.auth.exchange import read_exchange_response
from scope_async.credentials.document import parse_document, read_credentials
from scope_async.errors import (
    ApiError,
    ConfigurationError,
    RenderError,
    ScopeError,
    ServerError,
    ValidationError,
)
from scope_async.http.messages import Reply
from scope_async.keys.decoding import reading, reading_page
from scope_async.keys.models import ApiKey, KeyEvent, NewApiKey
from scope_async.local.faults.spec import Fault
from scope_async.local.front_matter import split_front_matter
from scope_async.local.state_document import read_state
from scope_async.prompts.cache import snapshot_format as snapshot
from scope_async.prompts.decoding import read_prompt_version
from scope_async.rendering.compiler import compile_template
from scope_async.rendering.template import Template, declared_names
from scope_async.rendering.variables import Variables
from scope_async.secrets.vault.api import read_reply
from scope_async.stores.encryption import Binding, EntryCipher

SECRET = "secret_Zk9qT7xR2w8LmNp3"
TOKEN = "opaque-token-of-the-API.4711"
BINDING = snapshot.SnapshotBinding("http://127.0.0.1:1", "org_1", "production")
CIPHER = EntryCipher(
    Binding(
        base_url=BINDING.service,
        auth_api_url=BINDING.service,
        org_id=BINDING.organization,
        environment=BINDING.environment,
        api_key="key_1",
        api_secret=SECRET,
    )
)
T = TypeVar("T")


def only(kind: type[Exception] | tuple[type[Exception], ...], call: Callable[[], T]) -> T | None:
    """Return what `call` returns, or None if it raises `kind`, which is one line without a secret."""
    try:
        return call()
    except kind as error:
        shown = f"{error} {error!r} {vars(error)}"
        assert SECRET not in shown
        assert TOKEN not in shown
        if isinstance(error, ScopeError):
            assert str(error).isprintable(), str(error)
        return None


def reply_in(data: bytes) -> Reply:
    """Return the reply in `data`: a line with the status, lines of headers, an empty line, the body."""
    head, _, body = data.partition(b"\n\n")
    status, *lines = head.decode("latin-1").split("\n")
    headers = [(name, value.strip()) for name, sign, value in (line.partition(":") for line in lines) if sign]
    return Reply(
        status=int(status) if re.fullmatch("[1-5][0-9][0-9]", status) else 200,
        headers=CIMultiDict(headers),
        body=body,
        sent={"Authorization": f"Bearer {TOKEN}"},
        secrets=(SECRET,),
    )


def exchange(data: bytes) -> None:
    response = only(ApiError, lambda: read_exchange_response(reply_in(data)))
    assert response is None or response.value.isprintable()


def prompt_version(data: bytes) -> None:
    reply = reply_in(data)
    version = only(ApiError, lambda: read_prompt_version(reply, name="greeting", unknown_variables="error"))
    if version is not None:
        json.loads(version.to_json())
        values = dict.fromkeys(version.variables, "x")
        only((RenderError, ValidationError), lambda: version.render(values))


def api_keys(data: bytes) -> None:
    reads: tuple[Callable[[Reply], object], ...] = (
        reading(NewApiKey),
        reading(KeyEvent),
        reading_page(ApiKey, ("again",)),
    )
    for read in reads:
        only(ApiError, partial(read, reply_in(data)))


def vault_reply(data: bytes) -> None:
    found = only(ApiError, lambda: read_reply(reply_in(data)))
    if found is not None:
        said = found.said(secrets=(SECRET,))
        assert SECRET not in said
        assert said.isprintable()


def template(data: bytes) -> None:
    text, _, names = data.decode("utf-8", "replace").partition("\0")
    made = Template(text, declared_names(names.split(",")))
    assert made.fill({name: f"{{{{{name}}}}}" for name in made.names}).count("{{") >= len(made.names)
    texts = {name: f"<{index}>" for index, name in enumerate(made.names)}
    if (function := compile_template(made, Variables(made.names))) is not None:
        assert function(None, dict(texts)) == made.fill(texts)


def credentials_file(data: bytes) -> None:
    document = parse_document(data.decode("utf-8", "replace"))
    found = document if isinstance(document, ConfigurationError) else read_credentials(document)
    if isinstance(found, ConfigurationError):
        assert SECRET not in f"{found} {found!r} {vars(found)}"
        assert str(found).isprintable(), str(found)
    else:
        assert found.api_secret not in repr(found)


def snapshot_file(data: bytes) -> None:
    said: list[str] = []
    records = only(
        ValueError, lambda: snapshot.parse_records(data, adopt=BINDING, now=1e9, report=said.append)
    )
    if records is None:
        return
    again = snapshot.parse_records(
        snapshot.format_records(records), adopt=BINDING, now=1e9, report=said.append
    )
    assert again == records
    for about, record in records.items():
        only(ServerError, partial(snapshot.read_entry, about.name, record, "error"))


def store_entry(data: bytes) -> None:
    assert CIPHER.decrypt("token", "name", data) is None
    sealed = CIPHER.encrypt("prompt", "name", data)
    assert CIPHER.decrypt("prompt", "name", sealed) == data
    assert CIPHER.decrypt("token", "name", sealed) is None


def local_state(data: bytes) -> None:
    if (document := _json(data)) is not None:
        only(ValidationError, lambda: read_state(document))


def prompt_file(data: bytes) -> None:
    found = only(ValueError, lambda: split_front_matter(data.decode("utf-8", "replace")))
    if found is not None:
        json.dumps(found[0])


def fault(data: bytes) -> None:
    only(ValidationError, lambda: Fault.parse(data.decode("utf-8", "replace")))
    document = _json(data)
    if isinstance(document, dict):
        only(ValidationError, lambda: Fault.from_document(document))


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
