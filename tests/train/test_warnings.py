"""Which triggers are right: known answers, a naive twin, and that nobody steps in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, BoxActions
from handrail.interventions.triggers import AfterFirstCost, Always, Never, Predicate
from handrail.learners.base import Proposal
from handrail.train.rollout.base import Steps
from handrail.train.warnings import harm_follows, incidents, rate, watch

HARM = (5, 6, 15)


class Clockwork(AbstractEnvironment):
    """Steps 5, 6 and 15 of 20 cost 1; the step is what is seen."""

    actions: BoxActions = BoxActions(1)
    episode_length: int = 20

    def reset(self, *, key):
        return jnp.int32(0), jnp.int32(0)

    def step(self, state, action, *, key):
        cost = jnp.isin(state, jnp.array(HARM)).astype(jnp.float32)
        after = state + 1
        return after, Timestep(after, action[0], cost, jnp.array(False), after >= 20)


def drive(observation, progress, key):
    return Proposal(jnp.full(1, 0.25), {})


def either(now):
    seen = now.observation
    return ((seen >= 3) & (seen <= 6)) | ((seen >= 13) & (seen <= 15))


def between(first, last):
    return Predicate(lambda now: (now.observation >= first) & (now.observation <= last))


@pytest.fixture(scope="module")
def steps():
    triggers = {
        "always": Always(), "never": Never(), "early": between(3, 6), "late": between(16, 19),
        "half": between(4, 9), "either": Predicate(either) | Never(),
        "both": between(3, 9) & Always(), "latched": AfterFirstCost(),
    }  # fmt: skip
    return watch(Clockwork(), drive, triggers, keys=jax.random.split(jax.random.key(0), 2))


def test_nobody_steps_in_and_every_step_is_judged(steps):
    np.testing.assert_array_equal(steps.rewards, np.full((2, 20), 0.25))
    assert np.flatnonzero(steps.costs[0]).tolist() == list(HARM)
    assert np.flatnonzero(steps.records["early"][1]).tolist() == [3, 4, 5, 6]
    assert np.flatnonzero(steps.records["either"][0]).tolist() == [3, 4, 5, 6, 13, 14, 15]
    assert np.flatnonzero(steps.records["both"][0]).tolist() == list(range(3, 10))
    # what triggers remember is of the episode: from the step after its first cost
    assert np.flatnonzero(steps.records["latched"][0]).tolist() == list(range(6, 20))


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # harm within 3 steps of 3 to 6 and 13 to 15, in two incidents
        ("always", (1.0, 7 / 20, 1.0, 1.0)),
        ("never", (0.0, np.nan, 0.0, 0.0)),
        ("early", (4 / 20, 1.0, 4 / 7, 1 / 2)),
        ("late", (4 / 20, 0.0, 0.0, 0.0)),
        ("half", (6 / 20, 3 / 6, 3 / 7, 1 / 2)),
        ("either", (7 / 20, 1.0, 1.0, 1.0)),
    ],
)
def test_known_answers(steps, name, expected):
    found = rate(steps, steps.records[name], within=3)
    names = ("fired", "precision", "recall", "foreseen")
    np.testing.assert_allclose([found[one] for one in names], expected, rtol=1e-6)


def test_harm_and_incidents_are_their_naive_twins():
    drawn = np.random.default_rng(0)
    for within in (1, 2, 5, 40):
        costs = (drawn.random((3, 30)) < 0.15).astype(np.float32)
        lengths = np.array([30, 17, 1])
        running = np.arange(30)[None] < lengths[:, None]
        truth, began = harm_follows(costs, running, within), incidents(costs, running, within)
        for row, length in enumerate(lengths):
            harm = [step for step in range(length) if costs[row, step]]
            for step in range(length):
                assert truth[row, step] == any(step <= one < step + within for one in harm)
                lately = any(step - within <= one < step for one in harm)
                assert began[row, step] == (step in harm and not lately)
            assert not began[row, length:].any()


def test_what_lies_beyond_an_end_counts_for_nothing():
    running = np.array([[True, True, False, False]])
    costs = np.array([[0.0, 0.0, 1.0, 1.0]], np.float32)
    beyond = Steps(running, costs, costs)
    found = rate(beyond, np.array([[True, False, True, True]]), within=3)
    assert found["fired"] == 0.5 and found["precision"] == 0.0
    assert np.isnan([found["recall"], found["foreseen"]]).all()
