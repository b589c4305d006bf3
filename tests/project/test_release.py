"""The machinery of releases: workflows that parse and call make, and what the package index shows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = {
    "github-workflows-require-timeout": [path for path in WORKFLOWS if path.stem != "release"],
    "github-workflows": WORKFLOWS,
    "dependabot": [ROOT / ".github" / "dependabot.yml"],
    "github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "github-issue-forms": [
        ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")
    ],
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def run(*words: str) -> str:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


def check_schema() -> Command:
    """Return the command line of check-jsonschema, which takes two seconds to import."""
    from check_jsonschema import main

    return main


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_of_the_forge_keep_their_schema(schema) -> None:
    prefix = "custom" if schema.endswith("timeout") else "vendor"
    result = CliRunner().invoke(
        check_schema(), ["--builtin-schema", f"{prefix}.{schema}", *map(str, SCHEMAS[schema])]
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_calls_make_and_pinned_actions_alone(workflow) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
            continue
        if step["run"].startswith("sudo apt-get "):
            continue
        program, *words = step["run"].partition(" PYTHON=")[0].split()
        assert program == "make"
        assert words
        assert set(words) <= targets


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_no_right_that_a_job_does_not_ask_for(workflow) -> None:
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        # What others write, such as the name of a branch, reaches a shell as a variable only.
        assert not re.search(r"\$\{\{\s*github\.", step.get("run", ""))


def test_every_supported_python_is_tested() -> None:
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    classifiers = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert ci["jobs"]["test"]["strategy"]["matrix"]["python"] == classifiers


def test_pre_commit_calls_make_targets() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    for hook in config["repos"][0]["hooks"]:
        program, target = hook["entry"].split()
        assert program == "make"
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_description_on_the_index_has_no_relative_link() -> None:
    text = run("hatch_fancy_pypi_readme")
    targets = re.findall(r'(?:\]\(|src="|srcset=")([^)"]+)', text)
    assert len(targets) > 20
    site, source = PROJECT["urls"]["Documentation"], PROJECT["urls"]["Source"]
    for target in targets:
        assert target.startswith((site, f"{source}/blob/main/")), target
        if page := target.removeprefix(site).rstrip("/"):
            assert target.startswith(source) or any(
                path.exists() for path in (ROOT / "docs" / f"{page}.md", ROOT / "docs" / page, ROOT / page)
            ), target


def test_site_and_repository_are_those_of_the_project() -> None:
    mkdocs = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"site_url: {PROJECT['urls']['Documentation']}\n" in mkdocs
    assert f"repo_url: {PROJECT['urls']['Source']}\n" in mkdocs


def test_makefile_finds_the_interpreter_of_windows() -> None:
    command = ["make", "--dry-run", "OS=Windows_NT", "VENV=/nowhere", "test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert "/nowhere/Scripts/python -m pytest" in done.stdout
