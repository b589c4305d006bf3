from __future__ import annotations

from scope_async._core.backoff import capped_exponential, equal_jitter, full_jitter


def test_capped_exponential_doubles_up_to_the_cap() -> None:
    assert [capped_exponential(n, base=0.5, cap=3.0) for n in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_capped_exponential_of_many_failures_does_not_overflow() -> None:
    assert capped_exponential(100_000, base=0.5, cap=30.0) == 30.0


def test_full_jitter_lies_between_zero_and_the_exponential_delay() -> None:
    assert [full_jitter(3, base=0.5, cap=30.0, random=r) for r in (0.0, 0.25, 1.0)] == [0.0, 0.5, 2.0]


def test_equal_jitter_lies_between_half_of_the_exponential_delay_and_all_of_it() -> None:
    assert [equal_jitter(3, base=0.5, cap=30.0, random=r) for r in (0.0, 0.5, 1.0)] == [1.0, 1.5, 2.0]
