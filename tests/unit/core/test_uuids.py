from __future__ import annotations

from uuid import RFC_4122, UUID

from scope_async._core.uuids import random_uuid


def test_random_uuid_is_one_of_version_4_in_its_usual_form() -> None:
    text = random_uuid()
    parsed = UUID(text)
    assert (parsed.version, parsed.variant, str(parsed)) == (4, RFC_4122, text)


def test_random_uuid_is_never_the_same() -> None:
    assert len({random_uuid() for _ in range(1000)}) == 1000
