"""Several critics for each cost: each learns by itself, all else reads their mean."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.transfer import SameView
from handrail.learners.sac.cost_floor import GuideCostFloor, NoFloor
from handrail.learners.sac.networks import CriticEnsemble
from handrail.methods.sagui.guide import Guide, GuideNetworks
from tests.learners.sac.test_several_costs import (
    COSTS,
    KEYS,
    NOISE,
    PROGRESS,
    batch_of,
    learner,
)

SEEN, ACTION = jnp.array([0.3, -0.1, 0.7]), jnp.array([0.2, -0.9])
BATCH = batch_of(None, COSTS[:, 0])


@eqx.filter_jit
def updated(learner, state):
    return learner.update_with_noise(state, BATCH, PROGRESS, *NOISE)


def critics_alone(ensemble, number):
    """Both reward critics and one of the cost critics."""
    taken = jnp.array([0, 1, 2 + number])
    return CriticEnsemble(jax.tree.map(lambda leaf: leaf[taken], ensemble.members))


def test_each_critic_learns_what_it_would_learn_alone():
    """With one action, targets of their own, and a cost that the actor is not charged for."""
    several = learner((), cost_critics=3)
    state = several.init(3, 2, (8,), key=KEYS[3])
    after, metrics = updated(several, state)
    for number in range(3):
        alone = learner(())
        own = eqx.tree_at(
            lambda s: (s.parameters.critics, s.targets),
            alone.init(3, 2, (8,), key=KEYS[3]),
            (critics_alone(state.parameters.critics, number),) * 2,
        )
        own = eqx.tree_at(lambda s: s.parameters.actor, own, state.parameters.actor)
        expected, _ = updated(alone, own)
        for found, wanted in zip(
            jax.tree.leaves(critics_alone(after.parameters.critics, number).members),
            jax.tree.leaves(expected.parameters.critics.members),
            strict=True,
        ):
            np.testing.assert_allclose(found, wanted, atol=2e-6)
    values = state.parameters.critics.batch(BATCH.observation, BATCH.action)[2:]
    assert np.std(values) > 0.01  # they do differ
    np.testing.assert_allclose(metrics["sac/cost_value"], values.mean(), rtol=1e-5)


def test_pessimism_adds_deviations_to_the_mean():
    critics = CriticEnsemble.init(3, 2, (8,), costs=2, cost_critics=4, key=jax.random.key(1))
    each = np.asarray(critics.every_cost(SEEN, ACTION)).reshape(2, 4)
    np.testing.assert_allclose(critics.costs(SEEN, ACTION), each.mean(axis=1), rtol=1e-5)
    pessimistic = each.mean(axis=1) + 1.5 * each.std(axis=1)
    np.testing.assert_allclose(critics.costs(SEEN, ACTION, pessimism=1.5), pessimistic, rtol=1e-5)


def test_one_critic_draws_what_it_always_drew():
    old, new = (
        CriticEnsemble.init(3, 2, (8,), key=jax.random.key(1), **more)
        for more in ({}, {"cost_critics": 1})
    )
    assert all(map(np.array_equal, jax.tree.leaves(old), jax.tree.leaves(new)))


def guide(**changes):
    networks = GuideNetworks.fresh(3, 2, (8,), key=jax.random.key(2), **changes)
    return Guide(networks, SameView(), 0.99)


def test_an_advantage_counts_the_action_high_and_the_guides_own_low():
    both = guide(cost_critics=2)
    own = both.distribution(SEEN).mode()
    q, v = (both.networks.critics.every_cost(SEEN, a) for a in (ACTION, own))
    np.testing.assert_allclose(
        both.pessimistic(1.0).advantage(SEEN, ACTION), q.max() - v.min(), rtol=1e-4
    )
    np.testing.assert_allclose(both.advantage(SEEN, ACTION), q.mean() - v.mean(), rtol=1e-4)
    assert both.advantage(SEEN, own) == 0


def test_one_critic_cannot_be_pessimistic():
    with pytest.raises(HandrailError, match=r"one cost critic.*learning\.cost_critics=5"):
        guide().pessimistic(0.5)
    assert guide().pessimistic(0.0).pessimism == 0


def test_the_floor_of_a_cost_is_that_of_each_of_its_critics():
    floor = GuideCostFloor(lambda observation, action: jnp.array([1.0, 5.0]))
    values = jnp.array([[0.0, 2.0, 3.0, 9.0]])  # two costs with two critics each
    given = values, jnp.zeros((1, 3)), jnp.zeros((1, 2))
    assert floor.of_members(*given, 2).tolist() == [[1.0, 2.0, 5.0, 9.0]]
    assert NoFloor().of_members(*given, 2).tolist() == values.tolist()
