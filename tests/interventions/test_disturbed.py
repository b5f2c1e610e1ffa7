"""Worlds that disturb actions: what is executed, what is stored, and where an adversary pushes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Context
from handrail.interventions.disturbed import TowardsCost, disturbed
from handrail.interventions.overruled import overruled
from handrail.interventions.recipes import none, wandering
from handrail.interventions.stepwise import Stepwise
from handrail.interventions.substitutes import RepeatedRandomAction

KEY = jax.random.key(1)
ONE, THREE = np.zeros(1, np.float32), np.zeros(3, np.float32)


class Known(eqx.Module):
    """A learner's snapshot whose cost rises with the first number of the action, falls with the
    second, and does not depend on the third.
    """

    def cost(self, observation, action):
        return observation[0] * action[0] - 3 * action[1] ** 3


def context(snapshot=None, proposed=(0.5, 0.5, 0.25), step=0):
    zero, none_ = jnp.float32(0), jnp.int32(step)
    return Context(
        jnp.array([2.0]), jnp.array(proposed, jnp.float32), {}, none_, jnp.int32(0), none_, zero,
        zero, snapshot,
    )  # fmt: skip


def test_the_adversary_pushes_to_the_corner_where_cost_rises():
    world = disturbed(none(), TowardsCost(), 0.2)
    decision = world(context(Known()), world.init(), key=KEY)
    np.testing.assert_allclose(decision.applied, [0.8 * 0.5 + 0.2, 0.8 * 0.5 - 0.2, 0.25])
    assert Known().cost(jnp.array([2.0]), decision.applied) > Known().cost(
        jnp.array([2.0]), decision.action
    )
    # the disturbance is the world's: neither stored nor an intervention
    np.testing.assert_array_equal(decision.action, context().proposed)
    assert not decision.intervened
    assert float(decision.evidence["disturbance"]) == pytest.approx(0.3)


def test_an_adversary_that_does_not_know_leaves_the_action():
    class Diverged(Known):
        def cost(self, observation, action):
            return jnp.nan * action[0]

    decision = disturbed(none(), TowardsCost(), 0.2)(context(Diverged()), ((), ()), key=KEY)
    np.testing.assert_allclose(decision.applied, context().proposed)


def test_an_adversary_without_a_learner_is_refused():
    with pytest.raises(HandrailError, match="asks the learner's cost critic"):
        TowardsCost()(context(), key=KEY)


def test_a_disturbance_that_would_be_lost_is_refused():
    world = disturbed(none(), RepeatedRandomAction(30, KEY), 0.2)
    shielded = overruled(world, none())
    with pytest.raises(HandrailError, match="belongs around everything else that decides"):
        shielded(context(), shielded.init(), key=KEY)
    with pytest.raises(HandrailError, match="belongs around everything else that decides"):
        Stepwise(world, ONE, THREE, key=KEY).decide(ONE, THREE)


def test_random_disturbances_are_held_and_come_on_top_of_what_drives():
    driver = wandering(0.5, 30, key=KEY)
    world = disturbed(driver, RepeatedRandomAction(30, jax.random.key(2)), 0.25)
    memory, others, drove = world.init(), [], []
    for step in range(90):
        here = context(step=step)
        plain = driver(here, driver.init(), key=KEY)
        decision = world(here, memory, key=KEY)
        np.testing.assert_array_equal(decision.action, plain.action)  # what it is alone
        assert bool(decision.intervened) == bool(plain.intervened)
        others.append(np.asarray((decision.applied - 0.75 * decision.action) / 0.25))
        drove.append(bool(decision.intervened))
    others = np.reshape(others, (3, 30, 3))
    np.testing.assert_allclose(others, others[:, :1].repeat(30, axis=1), atol=1e-5)
    assert np.abs(others[0, 0] - others[1, 0]).max() > 0.05 and np.abs(others).max() <= 1 + 1e-5
    assert 0 < np.mean(drove) < 1
