"""The average of a learner's actors: it follows them, and changes nothing of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.errors import HandrailError
from handrail.experiments.navigation.agents import Continued
from handrail.learners.sac_agent import SacAgent
from handrail.learners.sac_lagrangian import SacLagrangian
from handrail.replay.ring import Ring
from handrail.types import Transition

UPDATES = 5


def steps(key, n=4) -> Transition:
    def one(key):
        draw = jax.random.normal(key, (8,))
        return Transition(
            observation=draw[:3], proposed=jnp.tanh(draw[3:4]), action=jnp.tanh(draw[3:4]),
            reward=draw[4], cost=jnp.abs(draw[5]), next_observation=draw[5:8],
            terminated=jnp.array(False), truncated=jnp.array(False), intervened=jnp.array(False),
            weight=jnp.ones(()), extras={},
        )  # fmt: skip

    return jax.vmap(one)(jax.random.split(key, n))


def learnt(share):
    """The states of a learner, before every update and at the end."""
    learner = SacLagrangian(averaging=share)
    states = [learner.init(3, 1, (4,), key=jax.random.key(0))]
    update = eqx.filter_jit(learner.update)
    for n in range(UPDATES):
        batch = steps(jax.random.key(n))
        states.append(update(states[-1], batch, jnp.zeros(()), key=jax.random.key(n))[0])
    return states


def weights(policy):
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(policy)]


def test_the_average_follows_the_actors():
    states, alone = learnt(0.25), learnt(0.0)
    expected = weights(states[0].parameters.actor)
    for state in states[1:]:
        actors = weights(state.parameters.actor)
        expected = [0.75 * old + 0.25 * new for old, new in zip(expected, actors, strict=True)]
        for found, leaf in zip(weights(state.policy), expected, strict=True):
            np.testing.assert_allclose(found, leaf, rtol=1e-5, atol=1e-7)
    same = zip(weights(states[-1].parameters), weights(alone[-1].parameters), strict=True)
    for found, leaf in same:  # nobody learns from the average
        np.testing.assert_allclose(found, leaf, rtol=1e-5, atol=1e-7)
    moved = zip(weights(states[-1].policy), weights(alone[-1].policy), strict=True)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in moved)


def test_without_a_share_the_policy_is_the_actor():
    state = learnt(0.0)[-1]
    assert state.averaged is None and state.policy is state.parameters.actor


def test_who_goes_on_from_another_learner_begins_its_average_there():
    agent = SacAgent(learner=SacLagrangian(averaging=0.1), replay=Ring(10), hidden=(4,))
    earlier = learnt(0.0)[-1]
    example = jax.tree.map(lambda leaf: leaf[0], steps(jax.random.key(0)))
    state = Continued(agent, earlier).init(example, key=jax.random.key(1)).learner
    for found, leaf in zip(weights(state.averaged), weights(earlier.policy), strict=True):
        np.testing.assert_array_equal(found, leaf)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(HandrailError, match="averaging is"):
        SacLagrangian(averaging=share)
