"""requirements/: what is installed in development and CI, against what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "all": ("all",),
    "dev": ("dev", "bench"),
    "lowest": ("dev",),
    "security": ("security",),
    "uv": (),
}
_PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?: ; (?P<marker>.*?))?(?: \\\n    --hash=sha256:[0-9a-f]{64})+$"
)


def entries(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    return re.split(r"\n(?=\S)", text.rstrip("\n"))


def pins(lock: str) -> dict[str, Version]:
    """Return the versions that are installed on this machine."""
    found: dict[str, Version] = {}
    for entry in entries(lock):
        pin = _PIN.match(entry)
        assert pin is not None, entry[:200]
        if pin["marker"] is None or Marker(pin["marker"]).evaluate():
            assert pin["name"] not in found
            found[canonicalize_name(pin["name"])] = Version(pin["version"])
    return found


def requirements(*extras: str) -> list[Requirement]:
    """Return what the package and these extras of it ask for, on this machine."""
    found = []
    for text in [*PROJECT["dependencies"], *(text for extra in extras for text in EXTRAS[extra])]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            found += requirements(*sorted(requirement.extras))
        elif requirement.marker is None or requirement.marker.evaluate():
            found.append(requirement)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_every_requirement_with_hashes(lock: str) -> None:
    pinned = pins(lock)
    wanted = requirements(*LOCKS[lock]) if lock != "uv" else [Requirement("uv")]
    for requirement in wanted:
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, (
            f"{requirement}: make lock"
        )


def test_lock_of_the_lowest_has_exactly_what_is_allowed_at_least() -> None:
    pinned = pins("lowest")
    for requirement in requirements("all"):
        (least,) = [item.version for item in requirement.specifier if item.operator == ">="]
        assert pinned[canonicalize_name(requirement.name)] == Version(least), f"{requirement}: make lock"


def test_locks_agree_on_what_they_share() -> None:
    dev = pins("dev")
    for lock in ("all", "security"):
        pinned = pins(lock)
        assert {name: dev[name] for name in pinned.keys() & dev.keys()}.items() <= pinned.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_index_and_no_machine(lock: str) -> None:
    assert not re.search(r"://|/|@|-index|find-links", "\n".join(entries(lock)))
