"""The command-line application with all its commands."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from scope_async._version import __version__
from scope_async.cli.commands import doctor, keys, keys_audit, keys_create, prompt, serve, token
from scope_async.cli.demo import command as demo
from scope_async.cli.output import escape_unencodable
from scope_async.cli.rollover import command as rollover

app = typer.Typer(
    name="scope-async",
    help="Prompts, tokens and API keys of the Scope platform, from the shell.",
    epilog="Exit codes: 0 done, 1 the service refused or did not answer, 2 wrong use or configuration, "
    "3 `keys audit` found something.",
    no_args_is_help=True,
    add_completion=False,
    # A local variable in a traceback could be the API secret.
    pretty_exceptions_show_locals=False,
    pretty_exceptions_enable=False,
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the SDK's log on stderr.")]
Version = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
]


@app.callback()
def options(*, verbose: Verbose = False, version: Version = False) -> None:  # noqa: ARG001 - its callback acts
    """Prompts, tokens and API keys of the Scope platform, from the shell."""
    escape_unencodable()
    if verbose:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("scope_async").setLevel(logging.DEBUG)


app.command()(demo.demo)
app.command()(serve.serve)
app.add_typer(prompt.app, name="prompt")
app.command()(token.token)
keys.app.command()(keys_create.create)
keys.app.command()(keys_create.rotate)
keys.app.command()(rollover.rollover)
keys.app.command()(keys_audit.audit)
app.add_typer(keys.app, name="keys")
app.command()(doctor.doctor)
