"""A short run of what `make fuzz` does for longer, the same each time; and what longer runs have found."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tests.fuzzing.mutation import mutations
from tests.fuzzing.targets import NAMES, REQUESTS, opened


@pytest.mark.parametrize("name", NAMES)
def test_target_keeps_its_promises_for_broken_input(name):
    with opened(name) as target:
        for seed in target.seeds:
            target.check(seed)
        for data in islice(mutations(target.seeds, Random(3)), 100 if name == REQUESTS else 400):
            try:
                target.check(data)
            except Exception as error:
                raise AssertionError(f"{name}: {data!r}") from error
