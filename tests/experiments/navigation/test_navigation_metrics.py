"""Violations and transfer metrics on curves made by hand."""

import math

import numpy as np
import pytest

from handrail.core.records import EPISODE_COLUMNS, EPISODES, ONE_OF_SEVERAL, GrowingTable
from handrail.methods.sagui.evaluations import best, best_shield, episodes_above
from handrail.methods.sagui.metrics import (
    Curves,
    final,
    share_of,
    steps_to_return,
    steps_to_safety,
    summary,
    transfer,
    violations,
)

STEPS = np.array([100.0, 200.0, 300.0, 400.0, 500.0])
NAN = math.nan


def curves(cost, returns, target=None) -> Curves:
    returns = np.array(returns, dtype=float)
    target = returns if target is None else np.array(target, dtype=float)
    cost = np.array(cost, dtype=float)
    return Curves(STEPS, returns, cost, target, np.zeros(5), np.where(np.isnan(cost), 0, 2))


def test_violations_count_epochs_strictly_above_the_limit_by_episodes_and_by_steps():
    found = violations(curves([9, 5, NAN, 6, 1], [0] * 5), 5.0, 50)
    assert found == {
        "epochs": 5, "epochs_above_limit": 2, "worst_epoch_cost": 9.0,
        # two episodes an epoch of 100 steps: as many steps an episode as the limit is meant for
        "epochs_above_limit_by_steps": 2, "worst_epoch_cost_by_steps": 9.0,
    }  # fmt: skip
    # the same episodes where the limit is meant for 500 steps: ten times as many episodes
    shrunk = violations(curves([0.5, 0.6, NAN, 0, 0], [0] * 5), 5.0, 500)
    assert (shrunk["epochs_above_limit"], shrunk["epochs_above_limit_by_steps"]) == (0, 1)
    assert shrunk["worst_epoch_cost_by_steps"] == 6.0


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ([1, 5, 2, 5, 0], 0.0),  # at the limit is within it
        ([9, 1, 1, 1, 1], 100.0),
        ([9, 1, 7, 1, 1], 300.0),  # safe at first does not count if it does not stay so
        ([1, 1, 1, 1, 9], math.inf),
        ([9, NAN, 1, 1, 1], 100.0),
    ],
)
def test_time_to_safety_is_the_end_of_the_last_violation(cost, expected):
    assert steps_to_safety(STEPS, np.array(cost, dtype=float), 5.0) == expected


def test_time_to_a_return_is_of_three_epochs():
    returns = np.array([0.0, 3.0, 0.0, 3.0, 3.0])
    assert steps_to_return(STEPS, returns, 2.0) == 400.0  # (3 + 0 + 3) / 3
    assert steps_to_return(STEPS, returns, 1.5) == 200.0
    assert steps_to_return(STEPS, returns, 2.1) == math.inf


def test_final_values_leave_out_empty_epochs():
    assert final(np.array([9.0, 1.0, NAN, 3.0])) == 2.0
    assert math.isnan(final(np.array([NAN])))


def test_share_of_a_negative_return_lies_below_it():
    assert share_of(2.0) == pytest.approx(1.9)
    assert share_of(-2.0) == pytest.approx(-2.1)


def test_transfer_against_scratch():
    scratch = curves([60, 20, 9, 4, 4], [-1, 0, 1, 2, 2])
    method = curves([2, 4, 3, 1, 2], [0.5, 2, 2, 2, 2])
    found = transfer(method, scratch, limit=5.0, optimum=2.0)
    assert found.safety_jump_start == 55.0  # 60 against 5: nothing is gained below the limit
    assert found.time_to_safety == 300.0
    assert found.return_jump_start == 1.5
    # method: means .5, 1.25, 1.5, 2; scratch: last mean 5/3 < 1.9, so it counts as the whole run
    assert found.time_to_optimum == 100.0


def test_a_method_that_never_gets_safe_counts_as_the_whole_run():
    scratch = curves([9, 9, 1, 1, 1], [0] * 5)
    method = curves([9, 9, 9, 9, 9], [0] * 5)
    assert transfer(method, scratch, limit=5.0, optimum=1.0).time_to_safety == -300.0


def test_summary_reads_the_last_three_epochs():
    found = summary(curves([9, 9, 3, 2, 1], [0, 0, 1, 2, 3], [0, 3, 3, 3, 3]), 5.0, 1_000)
    assert (found["behaviour_cost"], found["behaviour_return"]) == (2.0, 2.0)
    assert (found["epochs_above_limit"], found["target_return"]) == (2, 3.0)
    assert found["steps_to_95"] == 400.0


@pytest.mark.parametrize(
    ("returns", "costs", "guarded", "farthest", "guard"),
    [
        ([1, 9, 3], [0, 6, 5], [2, 0, 1], 2, 2),  # the best is not safe
        ([1, 9, 3], [0, 6, 5], [1, 0, 2], 2, 0),
        ([1, 9, 3], [7, 6, 8], [0, 1, 0], 1, 1),  # none is safe: the cheapest
        ([2, 2, 2], [1, 0, 1], [3, 1, 1], 0, 2),
    ],
)
def test_the_evaluation_that_is_kept(returns, costs, guarded, farthest, guard):
    columns = {"return": returns, "cost": costs, "shielded_cost": guarded}
    table = {name: np.array(values, dtype=float) for name, values in columns.items()}
    assert (best(table, 5.0), best_shield(table, 5.0)) == (farthest, guard)


@pytest.mark.parametrize(
    ("limits", "above"),
    [({}, 1), ({"heat": 2.0, "wear": 3.0}, 2), ({"heat": 0.0, "wear": 9.0}, 1)],
)
def test_an_episode_breaks_its_limit_by_any_of_its_costs(tmp_path, limits, above):
    names = [ONE_OF_SEVERAL + name for name in ("heat", "wear")]
    table = GrowingTable(tmp_path / EPISODES, (*EPISODE_COLUMNS, *names))
    for step, costs in enumerate([(0, 0), (3, 0), (0, 3), (0, 4)], start=1):
        row = dict.fromkeys(EPISODE_COLUMNS, 0) | {"step": step, "cost": sum(costs)}
        table.add([row | dict(zip(names, costs, strict=True))])
    assert episodes_above(tmp_path, 3.0, limits) == above
