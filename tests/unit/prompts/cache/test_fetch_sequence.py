"""The order of fetches: which answer is too late to be stored."""

from __future__ import annotations

import pytest

from scope_async.prompts.cache.fetch_sequence import FetchSequence
from scope_async.prompts.reference import PromptRef

REF = PromptRef.of("p")


def test_sequence_accepts_an_answer_that_nothing_overtook() -> None:
    sequence = FetchSequence()
    assert sequence.end(sequence.begin(), REF, answered=True)


@pytest.mark.parametrize("name", ["p", None])
def test_sequence_rejects_an_answer_from_before_an_invalidation(name: str | None) -> None:
    sequence = FetchSequence()
    early = sequence.begin()
    sequence.invalidate(name)
    late = sequence.begin()
    assert early <= sequence.invalidated_up_to("p") < late
    assert [sequence.end(number, REF, answered=True) for number in (early, late)] == [False, True]


def test_sequence_accepts_the_answers_of_other_prompts() -> None:
    sequence = FetchSequence()
    number = sequence.begin()
    sequence.invalidate("q")
    assert sequence.end(number, REF, answered=True)


def test_sequence_remembers_no_prompt_when_nothing_is_in_flight() -> None:
    sequence = FetchSequence()
    sequence.invalidate("before")
    number = sequence.begin()
    sequence.invalidate("p")
    sequence.end(number, REF, answered=True)
    assert (sequence.invalidated_up_to("before"), sequence.invalidated_up_to("p")) == (0, 0)


@pytest.mark.parametrize("answered", [True, False])
def test_sequence_rejects_what_a_later_answer_overtook(answered: bool) -> None:
    sequence = FetchSequence()
    early, late = sequence.begin(), sequence.begin()
    assert sequence.end(late, REF, answered=answered)
    assert sequence.end(early, REF, answered=True) is not answered


def test_sequence_lets_no_answer_overtake_that_of_another_version() -> None:
    sequence = FetchSequence()
    early, late = sequence.begin(), sequence.begin()
    sequence.end(late, PromptRef.of("p", "latest"), answered=True)
    assert sequence.end(early, REF, answered=True)
