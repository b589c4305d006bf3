"""Hooks of the documentation's build: pages that are made from other files, and links that leave `docs/`."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click
from typer.main import get_command

from scope_async.cli.app import app

ROOT = Path(__file__).parents[2]
CHANGELOG = "changelog.md"
CHARTS = "benchmarks/results"
COMMANDS = "<!-- commands -->"
BRANCH = "blob/main"

_LINK = re.compile(r"(?<=\]\()(?P<target>(?:\.\./)+[^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the changelog and the charts of the benchmarks, which live elsewhere in the repository."""
    files.append(File.generated(config, CHANGELOG, abs_src_path=str(ROOT / "CHANGELOG.md")))
    for chart in sorted((ROOT / CHARTS).glob("*.svg")):
        files.append(File.generated(config, f"{CHARTS}/{chart.name}", abs_src_path=str(chart)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the commands where they belong, and lead links out of `docs/` into the site or the repository."""
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def lead(link: re.Match[str]) -> str:
        target = normpath(str(folder / link["target"]))
        if target.startswith("docs/"):
            return link["target"]
        if not (ROOT / target).exists():
            raise PluginError(f"{page.file.src_uri} links to {target}, which is not there")
        inside = CHANGELOG if target == "CHANGELOG.md" else target
        if files.get_file_from_path(inside) is not None:
            return "../" * page.file.src_uri.count("/") + inside
        return f"{(config.repo_url or '').rstrip('/')}/{BRANCH}/{target}"

    return _LINK.sub(lead, markdown).replace(COMMANDS, commands())


def commands() -> str:
    """Return every command of `scope-async` with its options, in Markdown."""
    command = get_command(app)
    text = get_docs_for_click(
        obj=command, ctx=command.make_context("scope-async", [], resilient_parsing=True), name="scope-async"
    )
    # The page has a title of its own, and its headings begin below it.
    return text.partition("\n")[2].strip()
