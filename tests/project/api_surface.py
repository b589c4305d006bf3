"""The public API as a list: every name of the API reference with its signature.

`python -m tests.project.api_surface --write` writes the list anew; without `--write` it fails on what
has changed incompatibly since the last tag, or, while there is none, on what differs from the list.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import griffe

import scope_async

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
LIST = Path(__file__).with_name("public_api.txt")
PACKAGE = "scope_async"
INSTALLED = Path(str(scope_async.__file__)).parents[1]


def public_names() -> list[str]:
    """Return the paths that the API reference documents, in its order."""
    pages = sorted(REFERENCE.glob("*.md"))
    return [
        name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


def load(ref: str | None = None) -> griffe.Object:
    """Return the package as it is, or as it was at a Git reference."""
    loaded = (
        griffe.load(PACKAGE, search_paths=[INSTALLED], resolve_aliases=True, try_relative_path=False)
        if ref is None
        else griffe.load_git(PACKAGE, ref=ref, repo=ROOT, resolve_aliases=True)
    )
    assert isinstance(loaded, griffe.Module)
    return loaded


def surface(package: griffe.Object) -> list[str]:
    """Return a line for each public class, function and attribute, sorted."""
    return sorted({line for name in public_names() for line in _lines(name, target(package, name))})


def target(package: griffe.Object, name: str) -> griffe.Object:
    found = package[name.removeprefix(f"{PACKAGE}.")]
    return found.final_target if isinstance(found, griffe.Alias) else found


def _lines(name: str, found: griffe.Object) -> Iterator[str]:
    if isinstance(found, griffe.Function):
        yield re.sub(r"\s+", " ", found.signature(return_type=True, name=name))
    elif isinstance(found, griffe.Attribute):
        yield f"{name}: {found.annotation}" if found.annotation is not None else name
    else:
        bases = ", ".join(map(str, found.bases)) if isinstance(found, griffe.Class) else ""
        yield f"{name}({bases})" if bases else name
        for member, value in found.members.items():
            # What a module imports is not its own.
            own = not isinstance(value, griffe.Alias)
            if own and (not member.startswith("_") or member == "__init__"):
                yield from _lines(f"{name}.{member}", value)


def incompatible_changes(old: griffe.Object, new: griffe.Object) -> list[str]:
    """Return a line for each change of a public name that may break a program."""
    public = tuple(target(old, name).path for name in public_names() if _has(old, name))
    return [
        re.sub(r"\x1b\[\d+m", "", change.explain(griffe.ExplanationStyle.ONE_LINE))
        for change in griffe.find_breaking_changes(old, new)
        if any(re.match(rf"{re.escape(path)}(?!\w)", change.obj.path) for path in public)
    ]


def _has(package: griffe.Object, name: str) -> bool:
    try:
        target(package, name)
    except (KeyError, griffe.AliasResolutionError):
        return False
    return True


def last_tag() -> str | None:
    """Return the newest release; None before the first, and outside of a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--tags", "--abbrev=0", "--match", "v*"]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return found.stdout.strip() or None


def difference() -> str:
    """Return what differs from the committed list, as a unified diff."""
    written = LIST.read_text(encoding="utf-8").splitlines()
    return "\n".join(unified_diff(written, surface(load()), LIST.name, "the package", n=0, lineterm=""))


def main() -> str | None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the list anew")
    if parser.parse_args().write:
        LIST.write_text("\n".join(surface(load())) + "\n", encoding="utf-8")
        return None
    tag = last_tag()
    if tag is None:
        return difference() or None
    return "\n".join(incompatible_changes(load(tag), load())) or None


if __name__ == "__main__":
    sys.exit(main())
