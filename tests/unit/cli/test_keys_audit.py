"""The findings of `scope-async keys audit`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scope_async.cli.commands.keys_audit import AuditLimits, findings
from scope_async.keys import ApiKey

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400
LIMITS = AuditLimits(unused=30 * DAY, older_than=90 * DAY, expiring=14 * DAY)


def _key(*, made=10, used=1, expires=None, name="billing", status="active", environment="production"):
    def before(days):
        return None if days is None else NOW - timedelta(days=days)

    return ApiKey(
        api_key="key_1",
        name=name,
        environment=environment,
        status=status,
        created_at=NOW - timedelta(days=made),
        last_used_at=before(used),
        expires_at=None if expires is None else NOW + timedelta(days=expires),
    )


@pytest.mark.parametrize(
    ("key", "problems"),
    [
        (_key(), []),
        (_key(used=None), []),
        (_key(made=31, used=None), ["never used"]),
        (_key(made=60, used=31), ["unused"]),
        (_key(made=91), ["old"]),
        (_key(expires=13), ["about to expire"]),
        (_key(expires=15), []),
        (_key(made=100, used=40, expires=1), ["unused", "old", "about to expire"]),
        (_key(name="billing-service-prod"), []),
        (_key(name="billing-service-prod", environment="staging"), ["shared by environments"]),
        (_key(name="ci-staging-and-prod"), ["shared by environments"]),
        (_key(name="product-catalogue", environment="staging"), []),
        (_key(made=100, used=40, status="revoked"), []),
    ],
)
def test_findings_of_a_key(key, problems):
    assert [finding.problem for finding in findings([key], LIMITS, NOW)] == problems
