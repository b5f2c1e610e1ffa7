"""Seeds to choose by and seeds to report on never meet."""

import itertools

import pytest

from handrail.core import splits
from handrail.experiments.schema import budget_of, names, read


def first(count):
    return tuple(itertools.islice(splits.test_seeds(), count))


def test_the_rule_never_changes():
    assert first(3) == (9833049, 3616900, 1646008)
    assert len(set(first(1_000))) == 1_000


def test_test_seeds_lie_outside_of_what_was_used_for_choosing():
    assert all(splits.is_test_seed(seed) for seed in first(1_000))
    assert splits.split_of(first(4)) == "test"
    assert splits.split_of((0, 2001)) == "development"
    assert splits.split_of((0, *first(1))) == "development and test"


@pytest.mark.parametrize("name", names())
def test_budgets_are_of_one_split(name):
    experiment = read(name)
    for budget, own in experiment.budgets.items():
        expected = "test" if budget.startswith("fresh") else "development"
        assert splits.split_of(own.seeds) == expected, budget


def test_more_seeds_of_a_test_budget_are_test_seeds():
    more = budget_of(read("sagui-static"), "fresh", 13).seeds
    assert more == first(13)
