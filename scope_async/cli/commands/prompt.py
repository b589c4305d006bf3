"""`scope-async prompt get|render|pull`."""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from scope_async.cli.output import AsJson, fail, note, print_fields, print_json, print_text, run
from scope_async.client import ScopeClient
from scope_async.errors import MissingVariableError, ValidationError
from scope_async.http.urls import api_root
from scope_async.prompts.cache.snapshot_file import locked_folder, replace_file
from scope_async.prompts.cache.snapshot_format import (
    RecordId,
    SnapshotBinding,
    SnapshotRecord,
    document_of,
    format_records,
)
from scope_async.prompts.reference import Label, PromptRef
from scope_async.prompts.version import PromptVersion

app = typer.Typer(help="Prompt versions: show one, render one, save some to a file.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name or id of the prompt.")]
LabelName = StrEnum("LabelName", ("production", "latest"))
LabelOption = Annotated[LabelName | None, typer.Option("--label", help="Without it: production.")]
VersionOption = Annotated[str | None, typer.Option("--version", help="Id of a version, instead of a label.")]
Variables = Annotated[list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="A variable.")]

_SHOWN = ("name", "id", "prompt_id", "version_number", "status", "is_production", "type")


@app.command()
def get(
    name: Name, *, label: LabelOption = None, version: VersionOption = None, as_json: AsJson = False
) -> None:
    """Show a prompt version: its fields on stderr, its content on stdout."""
    found = run(_fetch(name, label, version))
    if as_json:
        print_json(found.to_dict())
        return
    _print_fields(found)
    print_text(found.content)


@app.command()
def render(
    name: Name,
    *,
    variables: Variables = None,
    label: LabelOption = None,
    version: VersionOption = None,
    as_json: AsJson = False,
) -> None:
    """Print a prompt version with its variables filled in."""

    async def rendered() -> dict[str, Any]:
        values = read_variables(variables or [])
        found = await _fetch(name, label, version)
        try:
            text, messages = found.render(values), found.render_messages(values)
        except MissingVariableError as error:
            fail(f"{error}; give each one: --var {error.missing_variables[0]}=VALUE")
        return {"name": found.name, "version_id": found.id, "text": text, "messages": messages}

    document = run(rendered())
    if as_json:
        print_json(document)
    else:
        print_text(document["text"])


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Names or ids of prompts.")],
    *,
    out: Annotated[Path, typer.Option(help="The file to write; its content is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Save the production versions of prompts to a file, for the option snapshot_path.

    A service with this file can start while Scope is down.
    """

    async def fetch() -> tuple[dict[str, PromptVersion], SnapshotBinding]:
        async with ScopeClient.from_env() as scope:
            found = await scope.get_prompt_versions(names)
            organization = scope.tokens.organization or ""
            service = api_root(scope.config.base_url, scope.config.api_version)
            return found, SnapshotBinding(service, organization, scope.config.environment)

    found, binding = run(fetch())
    now = time.time()
    records = {
        RecordId.of(binding, PromptRef.of(name)): SnapshotRecord(now, document_of(version))
        for name, version in found.items()
    }
    try:
        with locked_folder(out, private=False):
            replace_file(out, format_records(records), private=False)
    except OSError as error:
        fail(f"cannot write {out}: {error.strerror or error}")
    if as_json:
        print_json({name: version.version_number for name, version in found.items()})
    else:
        note(f"{out} has {', '.join(found)}")


def read_variables(pairs: list[str]) -> dict[str, str]:
    """Return the variables in `NAME=VALUE` arguments; a value may contain `=`.

    Raises:
        ValidationError: an argument has no `=`.
    """
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValidationError(f"--var takes NAME=VALUE, got {', '.join(wrong)}")
    split = (pair.partition("=") for pair in pairs)
    return {name: value for name, _, value in split}


async def _fetch(name: str, label: str | None, version: str | None) -> PromptVersion:
    async with ScopeClient.from_env() as scope:
        return await scope.get_prompt_version(name, label=cast(Label | None, label), version=version)


def _print_fields(version: PromptVersion) -> None:
    moments: dict[str, datetime | None] = {
        field: getattr(version, field) for field in ("updated_at", "promoted_at")
    }
    print_fields(
        [
            *((field, str(getattr(version, field))) for field in _SHOWN),
            ("variables", ", ".join(version.variables) or "-"),
            *((field, moment.isoformat() if moment else "-") for field, moment in moments.items()),
        ],
        err=True,
    )
