"""Tests of every block of the documentation: Python runs against a Local Scope, shell commands must exist."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import shlex
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from itertools import dropwhile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

import scope_async
from scope_async.config import Config
from scope_async.environment import (
    ADMIN_TOKEN_VARIABLE,
    CREDENTIAL_FILE_VARIABLES,
    CREDENTIAL_VARIABLES,
    CREDENTIALS_VARIABLE,
    LOCAL_ADMIN_TOKEN_VARIABLE,
    LOCAL_CREDENTIALS_VARIABLE,
    LOG_VARIABLE,
    OPTION_VARIABLES,
)
from scope_async.local import LocalScope

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
# A stand-in with its names and signatures, for the blocks that show code before it moves to this package.
OFFICIAL_SDK = ROOT / "tests" / "fakes" / "official_sdk"
PYTHON = {"python", "py", "python3"}
SHELL = {"bash", "sh", "shell", "console"}
JAVASCRIPT = {"javascript"}
PLAIN = {"text", "json", "toml", "yaml", "ini", "mermaid", "env", "dotenv", "diff", "dockerfile"}

# The prompts that the documentation uses: name, content, type. `greeting` also has a newer draft.
PROMPTS = [
    ("greeting", "Hello, {{name}}! Welcome to {{app}}.", "text"),
    ("farewell", "Goodbye, {{name}}.", "text"),
    ("support", '[{"role": "system", "content": "You help {{name}}."}]', "chat"),
]

# A block is run as in a notebook: `await` works at the top level.
RUN = """
import ast, asyncio, inspect, sys
source = sys.stdin.read()
code = compile(source, sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
names = {"__name__": "__main__"}
outcome = eval(code, names)
if inspect.iscoroutine(outcome):
    async def main():
        await outcome
    asyncio.run(main())
"""


class Block(NamedTuple):
    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks() -> Iterator[Block]:
    fence = re.compile(r"^ *```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for found in fence.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(path, line, found["language"], textwrap.dedent(found["text"]))


BLOCKS = list(blocks())


@pytest.fixture
async def environment() -> AsyncIterator[dict[str, str]]:
    """Run a Local Scope as the documentation assumes one, and return the environment for it."""
    async with LocalScope() as local:
        for name, content, prompt_type in PROMPTS:
            version = await local.add_prompt(name, content, prompt_type=prompt_type)
            await local.promote(name, version.id)
        await local.add_prompt("greeting", "Hi {{name}}, this is {{app}}.", publish=False)
        values = (local.org_id, local.credentials.api_key, local.credentials.api_secret)
        paths = [os.environ.get("PYTHONPATH", "")]
        if find_spec("scope_client") is None:
            paths.insert(0, str(OFFICIAL_SDK))
        yield os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            **{
                name: value
                for names, value in zip(CREDENTIAL_VARIABLES.values(), values, strict=True)
                for name in names
            },
            OPTION_VARIABLES["base_url"]: local.url,
            OPTION_VARIABLES["auth_api_url"]: local.url,
            ADMIN_TOKEN_VARIABLE: local.admin_token,
        }


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in PYTHON], ids=str)
async def test_python_blocks_run_and_print_what_they_say(block, environment, tmp_path) -> None:
    if re.search(r"^\s*(async )?def test_", block.text, re.MULTILINE):
        file = tmp_path / "test_block.py"
        file.write_text(block.text)
        options = ["-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:schemathesis"]
        command = ["-m", "pytest", *options, str(file)]
    else:
        command = ["-W", "error", "-c", RUN, str(block)]
    await check_output(block, [sys.executable, *command], environment, tmp_path)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in JAVASCRIPT], ids=str)
async def test_javascript_blocks_run_and_print_what_they_say(block, environment, tmp_path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    await check_output(block, [node, "--input-type=module"], environment, tmp_path)


async def check_output(block: Block, command: list[str], environment: dict[str, str], folder: Path) -> None:
    """Run the command with the block as its input, and compare what it prints with what the block says."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate(block.text.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    printed = output.decode()
    assert process.returncode == 0, f"{block} fails:\n{printed}"
    # `# -> text` or `# → text` after a print says what is printed, `…` stands for anything.
    for promised in re.findall(r"(?:#|//)\s*(?:->|→)\s*(.+)$", block.text, re.MULTILINE):
        pattern = ".*".join(re.escape(part) for part in promised.strip().split("…"))
        assert re.search(f"^{pattern}$", printed, re.MULTILINE), f"{block} promises {promised!r}:\n{printed}"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the words of each command in a shell block or between backticks."""
    for block in BLOCKS:
        if block.language in SHELL:
            lines = block.text.replace("\\\n", " ").splitlines()
            for line in lines:
                # Output of a console has no prompt; a pipeline is several commands.
                if block.language == "console" and not line.startswith("$ "):
                    continue
                for part in re.split(r"\||&&|;", line.removeprefix("$ ")):
                    yield str(block), shlex.split(part, comments=True)
    for path in DOCUMENTS:
        for found in re.findall(r"`((?:make|scope-async) [^`\n|…]+)`", path.read_text(encoding="utf-8")):
            yield path.name, shlex.split(found, comments=True)


def calls_of(program: str) -> list[tuple[str, list[str]]]:
    """Return the place and the arguments of each call of `program`."""
    found = []
    for place, words in commands():
        rest = list(dropwhile(re.compile(r"^[A-Za-z_]+=").match, words))
        if rest and Path(rest[0]).name == program:
            found.append((place, rest[1:]))
    return found


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    calls = calls_of("make")
    assert calls
    for place, words in calls:
        named = {word for word in words if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")}
        assert named <= targets, f"{place}: the Makefile has no {named - targets}"


def test_scope_async_commands_and_options_exist() -> None:
    from scope_async.cli.app import app

    calls = calls_of("scope-async")
    assert calls
    for place, words in calls:
        command: Any = typer.main.get_command(app)
        for word in words:
            subcommands = getattr(command, "commands", None)
            if subcommands is not None and not word.startswith("-"):
                assert word in subcommands, f"{place}: scope-async has no command {word}"
                command = subcommands[word]
            elif word.startswith("-"):
                options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
                assert word.split("=")[0] in options, f"{place}: {command.name} has no option {word}"


def test_variables_exist() -> None:
    known = {name for names in CREDENTIAL_VARIABLES.values() for name in names}
    known |= {*OPTION_VARIABLES.values(), *CREDENTIAL_FILE_VARIABLES.values(), CREDENTIALS_VARIABLE}
    known |= {ADMIN_TOKEN_VARIABLE, LOG_VARIABLE, LOCAL_ADMIN_TOKEN_VARIABLE, LOCAL_CREDENTIALS_VARIABLE}
    known |= {"SCOPE_TEST_LOOP", "SCOPE_TEST_SCREENSHOTS", "SCOPE_CONTRACT_URL"}  # of the tests themselves
    for path in DOCUMENTS:
        named = set(re.findall(r"\bSCOPE_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
        assert named <= known, f"{path.name} names {named - known}, which nothing reads"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_blocks_are_in_a_checked_language(block) -> None:
    assert block.language in PYTHON | SHELL | JAVASCRIPT | PLAIN


def test_every_error_has_a_cause_and_something_to_do() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    errors = [name for name in scope_async.__all__ if name.endswith("Error")]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    assert {*rows, "ScopeError", "ApiError", "ResourceError"} == set(errors)


def test_every_option_is_in_the_table() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    cells = " ".join(re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE))
    assert sorted(re.findall(r"`(\w+)`", cells)) == sorted(Config.__struct_fields__)


def test_every_command_is_on_the_page_of_the_commands() -> None:
    from scope_async.cli.app import app

    def names(command: Any, name: str) -> Iterator[str]:
        yield name
        for word, each in getattr(command, "commands", {}).items():
            yield from names(each, f"{name} {word}")

    page = runpy.run_path(str(ROOT / "docs" / ".hooks" / "pages.py"))["commands"]()
    shown = re.findall(r"^#+ `(.+)`$", page, re.MULTILINE)
    assert sorted(["scope-async", *shown]) == sorted(names(typer.main.get_command(app), "scope-async"))


def test_readme_can_be_read_in_five_minutes() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= 1200, "what a reader needs later belongs in docs/"


def test_links_and_pictures_lead_somewhere() -> None:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        pictures = re.findall(r'(?:src|srcset)="([^"]+)"', text)
        for target in [*re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text), *pictures]:
            if "://" not in target and not target.startswith("mailto:"):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"
