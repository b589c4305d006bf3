"""The findings of `scope-async keys audit`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scope_async.cli.commands.keys_audit import AuditLimits, findings, overlaps
from scope_async.keys import ApiKey

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400
LIMITS = AuditLimits(unused=30 * DAY, older_than=90 * DAY, expiring=14 * DAY)


def _key(
    *,
    made=10,
    used=1,
    expires=None,
    name="billing",
    status="active",
    environment="production",
    api_key="key_1",
    replaced_by=None,
):
    def before(days):
        return None if days is None else NOW - timedelta(days=days)

    return ApiKey(
        api_key=api_key,
        name=name,
        environment=environment,
        status=status,
        created_at=NOW - timedelta(days=made),
        last_used_at=before(used),
        expires_at=None if expires is None else NOW + timedelta(days=expires),
        replaced_by=replaced_by,
    )


@pytest.mark.parametrize(
    ("key", "problems"),
    [
        (_key(), []),
        (_key(used=None), []),
        (_key(made=31, used=None), ["never-used"]),
        (_key(made=60, used=31), ["unused"]),
        (_key(made=91), ["old"]),
        (_key(made=60, expires=13), ["about-to-expire"]),
        (_key(made=60, expires=15), []),
        (_key(made=0, used=None, expires=3), []),
        (_key(made=1, expires=2), []),
        (_key(made=2.1, expires=0.9), ["about-to-expire"]),
        (_key(made=100, used=40, expires=1), ["unused", "old", "about-to-expire"]),
        (_key(name="billing-service-prod"), []),
        (_key(name="billing-service-prod", environment="staging"), ["shared-by-environments"]),
        (_key(name="ci-staging-and-prod"), ["shared-by-environments"]),
        (_key(name="product-catalogue", environment="staging"), []),
        (_key(name="live-chat", environment="staging"), []),
        (_key(name="live-chat-staging", environment="staging"), []),
        (_key(name="chat-live", environment="staging"), ["shared-by-environments"]),
        (_key(name="dev-portal"), []),
        (_key(name="load-test"), []),
        (_key(made=100, used=40, status="revoked"), []),
    ],
)
def test_findings_of_a_key(key, problems):
    assert [finding.problem for finding in findings([key], LIMITS, NOW)] == problems


def test_findings_of_one_key_have_one_advice_quoted_for_the_shell():
    found = list(findings([_key(made=100, used=40, api_key="key 1;x")], LIMITS, NOW))
    assert [finding.problem for finding in found] == ["unused", "old"]
    assert {finding.advice for finding in found} == {"scope-async keys revoke 'key 1;x'"}


def test_findings_leave_out_a_key_in_its_overlap():
    old = _key(made=100, used=1 / 8, replaced_by="key_2")
    assert list(findings([old, _key(api_key="key_2")], LIMITS, NOW)) == []
    (sentence,) = overlaps([old, _key(api_key="key_2")], NOW)
    assert sentence == "key_1: replaced by key_2, last used 3h ago: revoke it when idle"


def test_findings_name_a_key_whose_successor_has_ended():
    keys = [_key(made=100, replaced_by="key_2"), _key(api_key="key_2", status="revoked")]
    assert [finding.problem for finding in findings(keys, LIMITS, NOW)] == ["old"]
    assert list(overlaps(keys, NOW)) == []
