"""SAC-Lagrangian with a PID multiplier, and with costs of the worst outcomes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations.pid import Pid
from handrail.equations.worst_case import cvar_factor
from handrail.learners.sac.lagrangian import SacLagrangian
from tests.learners.sac.test_cost_ensemble import BATCH
from tests.learners.sac.test_several_costs import COSTS, KEYS, NOISE, PROGRESS, batch_of, learner


@eqx.filter_jit
def updated(learner, state, batch=BATCH, times=1):
    def one(state, _):
        return learner.update_with_noise(state, batch, PROGRESS, *NOISE)

    return jax.lax.scan(one, state, length=times)


def test_a_pid_multiplier_rises_with_the_cost_and_stays_at_zero_below_the_limit():
    for limit, rises in ((0.0, True), (1e6, False)):
        steered = learner((), pid=Pid(), cost_limit=limit, damping_scale=0.0)
        state = steered.init(3, 2, (8,), key=KEYS[3])
        dear = eqx.tree_at(lambda t: t.cost, BATCH, jnp.full(len(BATCH.cost), 5.0))
        after, metrics = updated(steered, state, dear, times=60)
        assert after.parameters.multiplier == after.pid.multiplier
        np.testing.assert_allclose(metrics["sac/multiplier"][0], 0.001, rtol=1e-5)
        assert (after.pid.multiplier > 0.05) == rises


def test_its_first_step_is_that_of_the_controller():
    steered = learner((), pid=Pid(), constrained=lambda stored, present: stored)
    state = steered.init(3, 2, (8,), key=KEYS[3])
    after, metrics = updated(steered, state)
    expected = steered.pid.update(steered.pid.init(), metrics["sac/cost_value"][0], steered.limit)
    for found, wanted in zip(jax.tree.leaves(after.pid), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_each_of_several_costs_is_steered_by_itself():
    steered = learner(pid=Pid(proportional=1.0))
    batch = batch_of(COSTS, COSTS.max(axis=1))
    after, _ = updated(steered, steered.init(3, 2, (8,), key=KEYS[3]), batch, times=3)
    assert after.parameters.multiplier.shape == (2,)
    assert (np.asarray(after.parameters.multiplier) >= 0).all()


def coin(size=256):
    """One state and action for ever: a cost of 2 or of none, each with an even chance."""
    batch = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape[1:]), leaf.dtype), BATCH)
    cost = jnp.where(jnp.arange(size) % 2, 2.0, 0.0)
    return eqx.tree_at(
        lambda t: (t.cost, t.weight, t.terminated),
        batch, (cost, jnp.ones(size), jnp.ones(size, bool)),
    )  # fmt: skip


def test_the_variance_of_a_coin_is_learnt_and_raises_what_it_costs():
    """γ = 0 and a cost of 2 or 0: the mean is 1, targets are 4 − 1 and 0 (clipped, from −1).

    The loss is least at (mean of their square roots)² = ¾, below the variance, 1.
    """
    risky = SacLagrangian(
        discount=0.0, risk_level=0.1, learning_rate=1e-2, cost_limit=1.0, episode_length=1,
        damping_scale=0.0, constrained=lambda stored, present: stored,
    )  # fmt: skip
    state = risky.init(3, 2, (8,), key=KEYS[3])
    batch = coin()

    @eqx.filter_jit
    def trained(state):
        def one(state, key):
            return risky.update(state, batch, PROGRESS, key=key)

        return jax.lax.scan(one, state, jax.random.split(KEYS[4], 600))[0]

    parameters = trained(state).parameters
    where = jnp.zeros((1, 3)), jnp.zeros((1, 2))
    mean = parameters.critics.batch(*where)[2:]
    variance = parameters.variance.batch(*where)
    np.testing.assert_allclose(mean, 1.0, atol=0.05)
    np.testing.assert_allclose(variance, 0.75, atol=0.03)
    worst = parameters.variance.worst(mean, *where, level=0.1)
    np.testing.assert_allclose(worst, 1 + cvar_factor(0.1) * 0.75**0.5, atol=0.1)


def test_level_one_is_the_learner_as_it_was():
    plain, all_outcomes = learner(()), learner((), risk_level=1.0)
    states = [one.init(3, 2, (8,), key=KEYS[3]) for one in (plain, all_outcomes)]
    assert states[1].parameters.variance is None and states[1].pid is None
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])


def test_a_level_of_no_outcome_is_refused():
    with pytest.raises(HandrailError, match="risk level"):
        learner((), risk_level=0.0)
