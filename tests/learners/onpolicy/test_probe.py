"""A constrained bandit with a known answer, which CPO and PPO-Lagrangian must find.

One step an episode, action a in (−1, 1): cost ((1 + a)/2)², at most d = ¼ in expectation, so a
policy that hardly varies has a mean of at most 0. The reward, −(a − 0.6)² and noise, would rather
have 0.6. Without the limit, 0.6 is what they find, at a cost of 0.64. The noise keeps the deviation
of reward advantages, by which they are divided, near ½, so that λ has to reach about 5.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions
from handrail.interventions.recipes import none
from handrail.learners.onpolicy.agent import OnPolicyAgent
from handrail.learners.onpolicy.multiplier import Multiplier
from handrail.learners.onpolicy.trust_region import TrustRegion
from handrail.learners.onpolicy.updates import Cpo, PpoLagrangian, TrpoLagrangian
from handrail.train.vector import VectorLoop

BATCH, BATCHES, LIMIT = 200, 250, 0.25


class Bandit(AbstractEnvironment):
    """As the docstring of this module says."""

    episode_length: int = eqx.field(static=True, default=1)
    actions: ActionSpace = BoxActions(1)

    def reset(self, *, key):
        return jnp.int32(0), jnp.ones(1)

    def step(self, state, action, *, key):
        reward = -((action[0] - 0.6) ** 2) + 0.5 * jax.random.normal(key)
        cost = ((1 + action[0]) / 2) ** 2
        yes = jnp.array(True)
        return state, Timestep(jnp.ones(1), reward, cost, yes, ~yes)


PRICE = Multiplier(rate=0.1)
UPDATES = {
    "cpo": Cpo(region=TrustRegion()),
    "ppo-lagrangian": PpoLagrangian(multiplier=PRICE, passes=5, minibatch=50, rate=3e-3),
    "trpo-lagrangian": TrpoLagrangian(multiplier=PRICE),
}


@pytest.mark.parametrize("method", UPDATES)
def test_the_limit_is_met_where_there_is_one_and_only_there(method):
    found = {}
    for limit in (LIMIT, 10.0):
        agent = OnPolicyAgent(
            update=UPDATES[method], limit=jnp.float32(limit), limit_steps=1, environments=10,
            hidden=(8,), train_every=BATCH, minibatch=50, value_passes=2,
        )  # fmt: skip
        loop = VectorLoop(Bandit(), agent, none(), BATCH * BATCHES, 10)
        state = loop.init(key=jax.random.key(0))
        state, records, _ = loop.blocks(state, BATCHES, learn=True)
        late = slice(BATCH * BATCHES * 4 // 5, None)
        actor = state.agent.learner.parameters.actor
        action = float(jnp.tanh(actor(jnp.ones(1)).mean[0]))
        found[limit] = action, float(np.mean(np.asarray(records.episode.cost)[late]))
    assert found[LIMIT][0] == pytest.approx(0.0, abs=0.12)
    assert found[LIMIT][1] == pytest.approx(LIMIT, abs=0.04)
    assert found[10.0][0] == pytest.approx(0.6, abs=0.12)
    assert found[10.0][1] > 2 * LIMIT
