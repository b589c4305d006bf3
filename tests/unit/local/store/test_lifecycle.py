from __future__ import annotations

from collections.abc import Callable

import pytest

from scope_async.errors import ConflictError, NotFoundError
from scope_async.local.store import lifecycle
from scope_async.local.store.lifecycle import LifecycleStep
from scope_async.local.store.prompt_models import Draft, StoredPrompt


def prompt(*statuses: str) -> StoredPrompt:
    """Return a prompt that has a version of each status."""
    grown = StoredPrompt("p", "greeting", 0.0)
    for status in statuses:
        draft = Draft("greeting", "x", status="draft" if status == "published" else status)
        grown = lifecycle.add_version(grown, draft, by="ada", at=1.0).prompt
    if "published" in statuses:
        version = grown.versions[statuses.index("published")]
        grown = lifecycle.promote(grown, version.id, by="ada", at=2.0).prompt
    return grown


STEPS: dict[str, Callable[[StoredPrompt, str], LifecycleStep]] = {
    "promote": lambda before, version: lifecycle.promote(before, version, by="bob", at=3.0),
    "archive": lambda before, version: lifecycle.archive(before, version, at=3.0),
    "unarchive": lambda before, version: lifecycle.unarchive(before, version, at=3.0),
    "edit": lambda before, version: lifecycle.edit(before, version, "y", at=3.0),
}
OUTCOMES = [
    ("draft", "promote", "published"),
    ("draft", "archive", "archived"),
    ("draft", "unarchive", "draft"),
    ("draft", "edit", "draft"),
    ("published", "promote", "published"),
    ("published", "archive", "version_in_production"),
    ("published", "unarchive", "version_in_production"),
    ("published", "edit", "version_not_draft"),
    ("archived", "promote", "version_archived"),
    ("archived", "archive", "archived"),
    ("archived", "unarchive", "draft"),
    ("archived", "edit", "version_not_draft"),
]


@pytest.mark.parametrize(("status", "step", "outcome"), OUTCOMES)
def test_every_step_in_every_status(status: str, step: str, outcome: str) -> None:
    before = prompt(status)
    id = before.versions[0].id
    if outcome.startswith("version_"):
        with pytest.raises(ConflictError) as refused:
            STEPS[step](before, id)
        assert refused.value.error_code == outcome
        return
    after = STEPS[step](before, id)
    assert after.version.status == outcome
    assert after.version == after.prompt.version(id)
    assert (after.version != before.versions[0]) == bool(after.changed)


@pytest.mark.parametrize("step", STEPS)
def test_unknown_version_is_not_found(step: str) -> None:
    with pytest.raises(NotFoundError, match="no version 'nope'"):
        STEPS[step](prompt("draft"), "nope")


@pytest.mark.parametrize(("archive", "left"), [(True, "archived"), (False, "draft")])
def test_promotion_changes_both_versions_and_writes_history(archive: bool, left: str) -> None:
    before = prompt("published", "draft")
    one, two = before.versions
    step = lifecycle.promote(
        before, two.id, by="bob", at=3.0, notes="why", archive_previous_production=archive
    )
    assert [(version.id, version.status) for version in step.changed] == [
        (one.id, left),
        (two.id, "published"),
    ]
    assert step.prompt.production == step.version
    assert step.promotion == step.prompt.promotions[-1]
    assert step.promotion is not None
    assert (step.promotion.previous_version, step.promotion.notes, step.promotion.promoted_by) == (
        1,
        "why",
        "bob",
    )


def test_numbers_count_on_from_the_newest_version() -> None:
    before = prompt("archived", "published", "draft")
    step = lifecycle.add_version(before, Draft("greeting", "x"), by="ada", at=4.0)
    assert step.version.version_number == 4
    assert [version.status for version in step.prompt.versions] == [
        "archived",
        "archived",
        "draft",
        "published",
    ]


def test_draft_again_is_no_longer_promoted() -> None:
    before = prompt("published", "draft")
    one, two = before.versions
    archived = lifecycle.promote(before, two.id, by="bob", at=3.0).prompt
    assert archived.versions[0].promoted_by == "ada"
    again = lifecycle.unarchive(archived, one.id, at=4.0).version
    assert (again.promoted_at, again.promoted_by, again.updated_at) == (None, None, 4.0)
