"""Cost critics that reckon with somebody who insists."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.equations.lagrangian import repeated
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import REWARD_CRITICS
from tests.learners.sac.harmless import learnt

PLACES, DISCOUNT = 4, 0.9
KEY = jax.random.key(0)


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 0.99))
def test_it_lies_between_letting_go_and_going_on(own, same, action_repeat_prob):
    expected = own + action_repeat_prob * (same - own)
    got = repeated(jnp.float32(own), jnp.float32(same), action_repeat_prob=action_repeat_prob)
    assert float(got) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("action_repeat_prob", [-0.1, 1.0, float("nan")])
def test_it_is_a_probability_below_one(action_repeat_prob):
    with pytest.raises(
        HandrailError, match=r"action_repeat_prob is .*: expected .*at least 0 and below 1"
    ):
        SacLagrangian(action_repeat_prob=action_repeat_prob)


def on_the_way(key):
    """A step in a corridor: an action above zero goes on, from the last place into harm (cost 1,
    and the end); any other stays. Staying is what the policy is paid for.
    """
    place = jax.random.randint(key, (), 0, PLACES)
    action = jax.random.uniform(jax.random.fold_in(key, 1), (1,), minval=-1, maxval=1)
    on = action[0] > 0
    harmed = on & (place == 0)
    return Transition(
        observation=jax.nn.one_hot(place, PLACES), proposed=action, action=action,
        reward=-action[0], cost=jnp.where(harmed, 1.0, 0.0),
        next_observation=jax.nn.one_hot(jnp.maximum(place - on, 0), PLACES),
        terminated=harmed, truncated=jnp.array(False), intervened=jnp.array(False),
        weight=jnp.ones(()), extras={},
    )  # fmt: skip


@pytest.mark.parametrize("action_repeat_prob", [0.0, 0.8])
def test_it_foresees_what_follows_if_the_action_is_not_let_go(action_repeat_prob):
    """Exactly (γ p)ᵏ at the k-th place before harm, since the policy itself stays where it is."""
    learner = SacLagrangian(
        action_repeat_prob=action_repeat_prob, cost_critic="positive", discount=DISCOUNT,
        damping_scale=0.0,
        multiplier_rate=0.0, entropy=FixedEntropy(0.01),
    )  # fmt: skip

    fresh = learner.init(PLACES, 1, (32, 32), key=KEY)
    critics = learnt(learner, on_the_way, fresh, updates=6000).parameters.critics
    said = critics.batch(jnp.eye(PLACES), jnp.full((PLACES, 1), 0.6))[REWARD_CRITICS]
    expected = [(DISCOUNT * action_repeat_prob) ** place for place in range(PLACES)]
    assert said.tolist() == pytest.approx(expected, abs=0.12)
    stays = critics.batch(jnp.eye(PLACES), jnp.full((PLACES, 1), -0.6))[REWARD_CRITICS]
    assert float(stays.max()) < 0.12
