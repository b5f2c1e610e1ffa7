"""Cost critics that can say positive numbers alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Transition
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import REWARD_CRITICS, CriticEnsemble
from tests.learners.sac.harmless import learnt

KEY = jax.random.key(0)


def test_positive_critics_are_the_softplus_of_linear_ones():
    linear, positive = (
        CriticEnsemble.init(3, 2, (8,), costs=2, cost_critic=kind, key=KEY)
        for kind in ("linear", "positive")
    )
    observations, actions = jax.random.normal(KEY, (5, 3)), jax.random.uniform(KEY, (5, 2))
    before, after = linear.batch(observations, actions), positive.batch(observations, actions)
    np.testing.assert_array_equal(before[:REWARD_CRITICS], after[:REWARD_CRITICS])
    np.testing.assert_allclose(
        jax.nn.softplus(before[REWARD_CRITICS:]), after[REWARD_CRITICS:], rtol=1e-6
    )
    assert float(before[REWARD_CRITICS:].min()) < 0 < float(after[REWARD_CRITICS:].min())
    for critics, values in ((linear, before), (positive, after)):
        costs = jax.vmap(critics.costs)(observations, actions).T
        np.testing.assert_allclose(costs, values[REWARD_CRITICS:], rtol=1e-5, atol=1e-6)


def test_it_learns_what_is_expected():
    """One step: an action above zero costs 5 every second time, any other nothing."""
    learner = SacLagrangian(
        cost_critic="positive", damping_scale=0.0, multiplier_rate=0.0, entropy=FixedEntropy(0.1)
    )

    def one(key):
        action = jax.random.uniform(key, (1,), minval=-1, maxval=1)
        harmed = (action[0] > 0) & jax.random.bernoulli(jax.random.fold_in(key, 1))
        return Transition(
            observation=jnp.ones(1), proposed=action, action=action, reward=0.1 * action[0],
            cost=5.0 * harmed, next_observation=jnp.ones(1), terminated=jnp.array(True),
            truncated=jnp.array(False), intervened=jnp.array(False), weight=jnp.ones(()), extras={},
        )  # fmt: skip

    fresh = learner.init(1, 1, (16, 16), key=KEY)
    state = learnt(learner, one, fresh, updates=3000)
    for critics in (state.parameters.critics, state.targets):
        assert critics.cost_critic == "positive"
        actions = jnp.array([[-0.8], [-0.3], [0.4], [0.8]])
        said = critics.batch(jnp.ones((4, 1)), actions)[REWARD_CRITICS]
        assert said[:2].tolist() == pytest.approx([0.0, 0.0], abs=0.15)
        assert said[2:].tolist() == pytest.approx([2.5, 2.5], abs=0.6)


def test_what_was_thought_harmless_is_learnt_to_cost():
    """The gradient of the square is the error, however flat the softplus; not so of its values."""
    critics = CriticEnsemble.init(3, 2, (8,), cost_critic="positive", key=KEY)
    last = critics.members.layers[-1]
    calm = jnp.array([0.0, 0.0, -20.0])[:, None]  # nothing is foreseen, anywhere
    critics = eqx.tree_at(
        lambda c: (c.members.layers[-1].weight, c.members.layers[-1].bias),
        critics,
        (jnp.zeros_like(last.weight), calm),
    )
    observation, action = jnp.ones((1, 3)), jnp.ones((1, 2))

    def slope(read):
        def loss(critics):
            return 0.5 * jnp.sum((read(critics, observation, action)[REWARD_CRITICS:] - 5.0) ** 2)

        return float(jax.grad(loss)(critics).members.layers[-1].bias[REWARD_CRITICS, 0])

    assert slope(CriticEnsemble.fitted) == pytest.approx(-5.0, rel=1e-5)
    assert abs(slope(CriticEnsemble.batch)) < 1e-6


@pytest.mark.parametrize("kind", ["linear", "positive"])
def test_what_is_fitted_is_what_is_said(kind):
    critics = CriticEnsemble.init(3, 2, (8,), cost_critic=kind, key=KEY)
    observations, actions = jax.random.normal(KEY, (5, 3)), jax.random.uniform(KEY, (5, 2))
    said, fitted = critics.batch(observations, actions), critics.fitted(observations, actions)
    np.testing.assert_array_equal(said, fitted)
