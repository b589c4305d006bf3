"""Which files are stores, and which steps bring them up to date."""

from __future__ import annotations

import pytest

from scope_async.errors import ConfigurationError
from scope_async.local.store.schema import APPLICATION_ID, MIGRATIONS, plan_migration

VERSION_1 = "settings,api_keys,events,idempotency,prompts,versions"


def test_plan_migration_runs_every_step_for_a_new_file():
    plan = plan_migration(0, 0, None)
    assert plan.startswith("BEGIN IMMEDIATE;")
    assert all(step in plan for step in MIGRATIONS)
    assert plan.endswith(f"PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;")


def test_plan_migration_runs_the_later_steps_for_version_1():
    plan = plan_migration(0, 1, VERSION_1)
    assert MIGRATIONS[0] not in plan
    assert all(step in plan for step in MIGRATIONS[1:])


def test_plan_migration_is_empty_for_the_current_version():
    assert plan_migration(APPLICATION_ID, len(MIGRATIONS), VERSION_1) == ""


def test_plan_migration_refuses_a_newer_version():
    with pytest.raises(ConfigurationError, match="newer scope-async"):
        plan_migration(APPLICATION_ID, len(MIGRATIONS) + 1, VERSION_1)


@pytest.mark.parametrize(
    ("application_id", "version", "tables"),
    [(1, 0, None), (1, 1, VERSION_1), (0, 0, "bookmarks"), (0, 1, "settings"), (0, 2, VERSION_1)],
)
def test_plan_migration_refuses_the_file_of_another_program(application_id, version, tables):
    with pytest.raises(ConfigurationError, match="another program"):
        plan_migration(application_id, version, tables)
