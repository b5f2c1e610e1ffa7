"""Random driving under a guide's guard costs what the guide does not foresee, or not avert."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import Card
from handrail.core.types import Timestep
from handrail.envs.navigation.problems import navigation_problem
from handrail.methods.sagui.cards import warnings_of
from handrail.methods.sagui.guide import Guide, GuideNetworks
from handrail.methods.sagui.guide_file import load_guide
from handrail.methods.sagui.presets import TAKEOVER_STEPS as GUARD
from handrail.methods.sagui.shield import REPEAT as HELD
from handrail.methods.sagui.shield import STEPS
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import (
    Toy,
    foreseeing,
    going,
    guarded_source,
    shield_test,
    toy_problem,
    write_guide,
)

KEY = jax.random.key(3)
PROBLEM = toy_problem("toy")


class Forwards(Toy):
    """It costs to go forwards."""

    def step(self, state, action, *, key):
        after, timestep = super().step(state, action, key=key)
        cost = (action[0] > 0).astype(jnp.float32)
        return after, eqx.tree_at(lambda t: t.cost, timestep, cost)


class Ending(Toy):
    """The same as the toy until it ends, and all cost from there on."""

    def step(self, state, action, *, key):
        after, _ = super().step(state, action, key=key)
        ended, gone = after.steps >= 5, state.steps >= 5
        return after, Timestep(
            self.observe(after), jnp.zeros(()), gone.astype(jnp.float32), ended, jnp.array(False)
        )


def guide(*, foresees: float, goes: float = 0.0) -> Guide:
    """It foresees so much whatever is proposed, and acts near tanh(`goes`)."""
    networks = GuideNetworks.fresh(3, 2, (4,), key=KEY)
    return Guide(going(foreseeing(networks, foresees), goes), PROBLEM.view, 0.99)


@pytest.mark.parametrize("wrapped", [lambda x: x, OnHost], ids=["compiled", "host"])
@pytest.mark.parametrize(
    ("foresees", "goes", "cost", "share"),
    [
        (GUARD + 1, -2.0, 0.0, 1.0),  # it foresees everything and averts everything
        (GUARD + 1, 2.0, 1000.0, 1.0),  # it makes things worse
        (GUARD - 1, -2.0, None, 0.0),  # it lets everything happen: half of random actions cost
    ],
)
def test_a_guide_has_to_foresee_and_to_avert(wrapped, foresees, goes, cost, share):
    environment = wrapped(Forwards(False, 100))
    found = shield_test(environment, guide(foresees=foresees, goes=goes), episodes=12, key=KEY)
    assert found.intervention_rate == share
    assert found.cost_in(1_000) == cost or (cost is None and 250 < found.cost_in(1_000) < 750)


def test_random_actions_are_held():
    """So in 100 steps an episode's cost is made of four spells, not of 100 draws."""
    costs = [
        shield_test(Forwards(False, HELD), guide(foresees=0.0), episodes=1, key=key).cost_in(1_000)
        for key in jax.random.split(KEY, 8)
    ]
    assert set(costs) == {0.0, 1000.0}


def test_both_loops_drive_alike():
    """The same keys give the same episodes, compiled and on the host."""
    networks = GuideNetworks.fresh(3, 2, (4,), key=jax.random.key(6))
    critics = jax.tree.map(lambda leaf: 12 * leaf, networks.critics.members)
    networks = eqx.tree_at(lambda n: n.critics.members, networks, critics)
    own, environment = Guide(networks, PROBLEM.view, 0.99), Forwards(False, 50)
    compiled = shield_test(environment, own, episodes=6, key=KEY)
    host = shield_test(OnHost(environment), own, episodes=6, key=KEY)
    for name in ("costs", "lengths", "interventions"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(host, name))
    assert 0.1 < host.intervention_rate < 0.9


@pytest.mark.parametrize("wrapped", [lambda x: x, OnHost], ids=["compiled", "host"])
def test_nothing_counts_after_an_end(wrapped):
    found = shield_test(wrapped(Ending(False, 20)), guide(foresees=0.0), episodes=3, key=KEY)
    assert (found.cost_in(1_000), found.intervention_rate) == (0.0, 0.0)
    assert found.lengths.tolist() == [5] * 3


def test_the_source_goes_on_outside():
    source = guarded_source("navigation-static")
    assert source.episode_length == STEPS
    assert source.task.outside == "open" and not source.task.has_goal


def test_a_guide_of_the_task_can_be_tried(tmp_path):
    problem = navigation_problem("navigation-static")
    path = write_guide(tmp_path / "guide.safetensors", problem=problem, cost=9.0)
    found = shield_test(
        guarded_source("navigation-static"), load_guide(path, problem), episodes=2, key=KEY
    )
    assert found.intervention_rate == 1 and np.isfinite(found.cost_in(1_000))


@pytest.mark.parametrize(
    ("training", "doubted"),
    [
        ({"evaluation": {"shielded_cost": 5.1}}, True),
        ({"evaluation": {"shielded_cost": 5.0}}, False),
        ({"evaluation": {"cost": 9.0}}, False),  # of a guide from before the test
        ({"evaluation": {"shielded_cost": "high"}}, False),  # of others' files anything may be said
        ({"evaluation": 3}, False),
        ({}, False),
    ],
)
def test_what_a_card_says_against_its_guide(training, doubted):
    said = warnings_of(Card("guide", {}, {}, training), 5.0, 1_000)
    assert [("costs 5.1 in 1,000 steps" in text) for text in said] == [True] * doubted
