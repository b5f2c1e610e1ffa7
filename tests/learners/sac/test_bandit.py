"""A constrained bandit whose optimum and multiplier are known in closed form.

One step an episode, action a in (−1, 1): reward a, cost ((1 + a)/2)², at most d in expectation.
Without entropy the best action costs exactly d, so a* = 2√d − 1, and the multiplier is the ratio of
the slopes there, β* = 1/√d. A little entropy widens the policy and shifts these by less than the
tolerances.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from handrail.core.types import Transition
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.networks.gaussian import SquashedGaussian

BATCH, UPDATES = 32, 6000


def cost_of(action):
    return ((1 + action) / 2) ** 2


@eqx.filter_jit
def learn(learner, state, *, key):
    """Updates on fresh batches of the policy's own actions; actions and β of the last third."""

    def one(state, key):
        act_key, update_key = jax.random.split(key)
        observations = jnp.ones((BATCH, 1))
        policies = jax.vmap(state.parameters.actor)(observations)
        noise = jax.random.normal(act_key, (BATCH, 1))
        actions = jnp.tanh(jax.vmap(SquashedGaussian.pre_squash)(policies, noise))

        def transition(observation, action):
            return Transition(
                observation=observation, proposed=action, action=action, reward=action[0],
                cost=cost_of(action[0]), next_observation=observation,
                terminated=jnp.array(True), truncated=jnp.array(False),
                intervened=jnp.array(False), weight=jnp.ones(()), extras={},
            )  # fmt: skip

        batch = jax.vmap(transition)(observations, actions)
        state, metrics = learner.update(state, batch, jnp.zeros(()), key=update_key)
        return state, (actions.mean(), cost_of(actions).mean(), metrics["sac/multiplier"])

    _, seen = jax.lax.scan(one, state, jax.random.split(key, UPDATES))
    return [x[-UPDATES // 3 :].mean() for x in seen]


def learnt(limit):
    learner = SacLagrangian(
        cost_limit=limit, episode_length=1, learning_rate=1e-3, entropy=FixedEntropy(0.02)
    )
    state = learner.init(1, 1, (16, 16), key=jax.random.key(0))
    return learn(learner, state, key=jax.random.key(1))


@pytest.mark.parametrize("limit", [0.25, 0.49])
def test_finds_the_optimum_and_the_multiplier(limit):
    action, cost, multiplier = learnt(limit)
    assert cost == pytest.approx(limit, rel=0.1)
    assert action == pytest.approx(2 * limit**0.5 - 1, abs=0.06)
    assert multiplier == pytest.approx(limit**-0.5, rel=0.1)


def test_a_limit_that_does_not_bind_costs_nothing():
    action, _, multiplier = learnt(2.0)
    assert action > 0.8
    assert multiplier < 0.05
