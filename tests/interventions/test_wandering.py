"""Spells of one random action: how a guide's critic gets to know actions that are not its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Context
from handrail.interventions.recipes import wandering
from handrail.learners.sac.agent import executed_pre_squash

LENGTH, SPELLS = 30, 400


def driven(share: float, seed: int = 0):
    """Who acts, and how, at every step; the learner proposes zeros."""
    intervention = wandering(share, LENGTH, key=jax.random.key(seed))

    def at(step):
        zero = jnp.int32(0)
        context = Context(
            jnp.zeros(1), jnp.zeros(2), {"pre_squash": jnp.zeros(2)}, step, zero, zero,
            jnp.float32(0), jnp.float32(0),
        )  # fmt: skip
        return intervention(context, intervention.init(), key=jax.random.fold_in(KEY, step))

    return jax.vmap(at)(jnp.arange(LENGTH * SPELLS))


KEY = jax.random.key(9)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_whole_spells_is_driven_by_one_action_each(share):
    decision = driven(share)
    who = np.asarray(decision.intervened).reshape(SPELLS, LENGTH)
    actions = np.asarray(decision.action).reshape(SPELLS, LENGTH, 2)
    assert (who == who[:, :1]).all() and (actions == actions[:, :1]).all()
    assert who[:, 0].mean() == pytest.approx(share, abs=0.07)  # three deviations of 400 coins
    assert (actions[~who[:, 0]] == 0).all()
    chosen = actions[who[:, 0], 0]
    assert len(np.unique(chosen, axis=0)) == len(chosen) and (np.abs(chosen) <= 1).all()
    if share:
        assert np.abs(chosen.mean(axis=0)).max() < 0.2


def test_the_agent_recovers_the_pre_squash_value_of_the_action():
    decision = jax.tree.map(lambda leaf: leaf[0], driven(1.0))
    np.testing.assert_allclose(np.tanh(executed_pre_squash(decision)), decision.action, atol=1e-6)


def test_other_keys_give_other_spells():
    assert (driven(0.5).intervened != driven(0.5, seed=1).intervened).any()
