"""One line when it begins, one a minute, one when it ends; all at the level of the worst."""

from __future__ import annotations

import logging

import pytest

from scope_async._core.episode import RELAPSE, Episode
from tests.fakes.clock import InstantClock

LOGGER = logging.getLogger("scope_async.test")


class Story:
    """An episode on a clock that only the test moves, and what it wrote."""

    def __init__(self, caplog: pytest.LogCaptureFixture, quiet: float = 0.0) -> None:
        self.clock = InstantClock()
        self.clock.now = 0.0
        self.episode = Episode(LOGGER, self.clock, "it rains", advice="stay in", quiet=quiet)
        self._caplog = caplog

    def at(self, second: float, *, failing: bool = False, effect: str = "wet") -> bool:
        self.clock.now = second
        return self.episode.occurred(effect, "on %s", "Tuesday", failing=failing)

    def dry(self, second: float) -> None:
        self.clock.now = second
        self.episode.recovered()

    @property
    def lines(self) -> list[str]:
        return [f"{record.levelname} {record.getMessage()}" for record in self._caplog.records]


@pytest.fixture
def story(caplog: pytest.LogCaptureFixture) -> Story:
    return Story(caplog)


def test_episode_has_a_line_at_both_ends_and_one_a_minute(story: Story) -> None:
    story.dry(0)
    assert [story.at(second) for second in range(150)].count(True) == 3
    story.dry(151)
    story.dry(152)
    since = "since 2023-11-14 22:13:20 UTC"
    assert story.lines == [
        "WARNING it rains: on Tuesday; stay in",
        f"WARNING it rains, {since} for 60 s (wet: 61): on Tuesday; stay in",
        f"WARNING it rains, {since} for 2 min (wet: 121): on Tuesday; stay in",
        f"WARNING it rains: over, {since} for 2 min (wet: 150)",
    ]


def test_all_lines_are_errors_from_the_first_failing_call_on(story: Story) -> None:
    story.at(0)
    story.at(5, failing=True, effect="drowned")
    story.at(6, failing=True, effect="drowned")
    story.dry(7)
    story.at(1000)
    assert [line.split(" ", 1)[0] for line in story.lines] == ["WARNING", "ERROR", "ERROR", "WARNING"]
    assert story.lines[2].endswith("(wet: 1, drowned: 2)")


def test_problem_that_comes_and_goes_is_one_episode(story: Story) -> None:
    for second in range(3600):
        story.at(second)
        story.dry(second + 0.5)
    assert len(story.lines) <= 63
    story.dry(3600 + RELAPSE)
    assert "over" in story.lines[-1]
    assert "for 60 min" in story.lines[-1], "until the last failure, not until it was noticed"


def test_end_is_believed_after_a_quiet_time(caplog: pytest.LogCaptureFixture) -> None:
    story = Story(caplog, quiet=60)
    story.at(0)
    story.dry(59)
    assert len(story.lines) == 1
    story.dry(60)
    assert len(story.lines) == 2


def test_long_episode_is_told_in_hours(story: Story) -> None:
    story.at(0)
    story.at(3 * 3600 + 240)
    assert "for 3 h 4 min" in story.lines[1]
