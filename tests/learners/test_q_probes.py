"""Probes of rising difficulty: each adds one thing that can be wrong, and is solved exactly."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, DiscreteActions
from handrail.interventions.recipes import none
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import Direct
from handrail.networks.mlp import MLP
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop

DISCOUNT, LIMIT = 0.5, 3
EYE = np.eye(2, dtype=np.float32)


class Probe(AbstractEnvironment):
    """Two states seen as one-hot vectors, two actions, and a time limit of 3 steps."""

    reward: jax.Array  # (states, actions)
    ends: jax.Array  # (states, actions): the task's own end
    successor: jax.Array  # (states, actions)
    starts: jax.Array
    deadly: jax.Array  # whether the time limit counts as the task's own end
    actions: DiscreteActions = DiscreteActions(2)
    episode_length: int = eqx.field(default=LIMIT, static=True)

    def reset(self, *, key):
        state = jax.random.choice(key, self.starts)
        return (state, jnp.int32(0)), jnp.asarray(EYE)[state]

    def step(self, state, action, *, key):
        row, steps = state
        after, steps = self.successor[row, action], steps + 1
        late = steps >= LIMIT
        ended = self.ends[row, action] | (late & self.deadly)
        step = Timestep(
            jnp.asarray(EYE)[after], self.reward[row, action], jnp.float32(0), ended, late
        )
        return (after, steps), step


def probe(reward, ends=True, successor=0, *, deadly=False) -> Probe:
    shape = (2, 2)
    return Probe(
        reward=jnp.asarray(np.broadcast_to(np.float32(reward), shape)),
        ends=jnp.asarray(np.broadcast_to(np.asarray(ends), shape)),
        successor=jnp.asarray(np.broadcast_to(np.int32(successor), shape)),
        starts=jnp.arange(2),
        deadly=jnp.array(deadly),
    )


NETWORK = partial(MLP, (2, 16, 2))
OPTIMIZER = optax.adam(5e-3)


@eqx.filter_jit
def learnt(environment: Probe) -> jax.Array:
    """The values of both states after 3,000 random steps; compiled once for all probes."""
    agent = QAgent(
        loss=TDLoss(Direct(), discount=DISCOUNT),
        make_network=NETWORK,
        optimizer=OPTIMIZER,
        replay=Ring(1_000),
        exploration=Exploration(start=1.0, end=1.0),
        actions=2,
        train_every=2,
        batch=32,
        target_every=20,
        learning_starts=100,
    )
    loop = Loop(environment, agent, none(), total=3_000)
    state = loop.init(key=jax.random.key(0))
    state, _, _ = loop.blocks(state, 50, learn=False)
    state, _, _ = loop.blocks(state, 1_450, learn=True)
    return jax.vmap(state.agent.network)(jnp.asarray(EYE))


PROBES = {
    # a constant reward and an immediate end: can the value be learnt at all?
    "value": (probe(1.0), [[1, 1], [1, 1]]),
    # the reward is in the observation
    "observation": (probe([[-1], [1]]), [[-1, -1], [1, 1]]),
    # the reward comes a step later: state 0 leads to state 1
    "discount": (probe([[0], [1]], ends=[[False], [True]], successor=1), [[0.5, 0.5], [1, 1]]),
    # the reward depends on the action
    "action": (probe([[-1, 1]]), [[-1, 1], [-1, 1]]),
    # on both
    "both": (probe([[1, -1], [-1, 1]]), [[1, -1], [-1, 1]]),
    # the right action leads on to a better state, the wrong one ends with a little
    "delayed choice": (
        probe([[0.2, 0], [0.8, -1]], [[True, False], [True, True]], [[0, 1], [0, 0]]),
        [[0.2, 0.4], [0.8, -1]],
    ),
    # nothing ever ends but the clock: 1 a step is worth 1 / (1 - 0.5)
    "time limit": (probe(1.0, ends=False), [[2, 2], [2, 2]]),
}


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_is_solved(name):
    environment, expected = PROBES[name]
    np.testing.assert_allclose(learnt(environment), expected, atol=0.05)


def test_a_time_limit_that_counts_as_an_end_is_found():
    """The negative arm: with time-outs as ends the same probe is worth clearly less than 2."""

    assert np.all(np.asarray(learnt(probe(1.0, ends=False, deadly=True))) < 1.9)
