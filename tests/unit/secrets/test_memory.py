from __future__ import annotations

from scope_async._core.clock import FakeClock
from scope_async.credentials import ApiKeyCredentials
from scope_async.secrets.memory import REMEMBERED_FOR, Answer, AnswerMemory

FIRST = ApiKeyCredentials("org_1", "key_1", "secret_1")
SECOND = ApiKeyCredentials("org_1", "key_2", "secret_2")


def test_answer_is_fresh_for_five_seconds_from_when_it_was_asked_for() -> None:
    clock = FakeClock(ticking=False)
    memory = AnswerMemory(clock)
    assert memory.fresh() is None
    clock.advance(2)
    memory.put(Answer(FIRST, "1", asked_at=0.0))
    assert memory.fresh() is FIRST
    clock.advance(REMEMBERED_FOR - 2)
    assert memory.fresh() is None
    assert memory.known("1") is FIRST


def test_refused_credentials_are_not_remembered_but_newer_ones_are() -> None:
    clock = FakeClock(ticking=False)
    memory = AnswerMemory(clock)
    memory.put(Answer(SECOND, None, asked_at=0.0))
    memory.refuse(FIRST)
    assert memory.fresh() is SECOND
    clock.advance(1)
    memory.refuse(SECOND)
    assert memory.fresh() is None
    memory.put(Answer(SECOND, None, asked_at=0.5))  # under way when they were refused
    assert memory.fresh() is None
    clock.advance(1)
    memory.put(Answer(SECOND, None, asked_at=2.0))
    assert memory.fresh() is SECOND


def test_version_that_is_not_told_is_never_known() -> None:
    memory = AnswerMemory(FakeClock(ticking=False))
    memory.put(Answer(FIRST, None, asked_at=0.0))
    assert memory.known(None) is None
    memory.put(Answer(FIRST, "1", asked_at=0.0))
    assert memory.known("2") is None
    memory.forget()
    assert memory.known("1") is None
