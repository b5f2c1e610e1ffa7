"""Deep Q-learning against exact value iteration on a lava layout."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handrail.envs.base import AbstractEnvironment, DiscreteActions
from handrail.envs.lava.make import make_lava
from handrail.envs.wrappers import Rewarded, RewardTable
from handrail.interventions.recipes import none
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import OnFrames, Tabulated
from handrail.networks.mlp import MLP
from handrail.replay.prioritized import Prioritized
from handrail.train.compiled import Loop
from tests.envs.lava.dynamic_programming import optimal_q

DISCOUNT, STEPS, STARTS = 0.9, 30_000, 500


class TimeLimit(AbstractEnvironment):
    """`inner` with a time limit of 5 steps, which kills where `deadly`."""

    inner: Rewarded
    deadly: jax.Array
    actions: DiscreteActions
    episode_length: int = eqx.field(static=True)

    def reset(self, *, key):
        return self.inner.reset(key=key)

    def step(self, state, action, *, key):
        state, timestep = self.inner.step(state, action, key=key)
        late = timestep.truncated & self.deadly
        return state, eqx.tree_at(lambda t: t.terminated, timestep, timestep.terminated | late)


@pytest.fixture(scope="module")
def lava():
    environment = make_lava("LavaGapS5", layout=1, starts="anywhere")
    return dataclasses.replace(environment, episode_length=5)


@eqx.filter_jit
def learnt(environment: TimeLimit, frames: jax.Array) -> jax.Array:
    """The action values of all live rows after `STEPS` random steps."""
    values = Tabulated(OnFrames(frames))
    agent = QAgent(
        loss=TDLoss(values, discount=DISCOUNT),
        make_network=partial(MLP, (frames.shape[1], 64, 7)),
        optimizer=optax.adam(optax.linear_schedule(2e-3, 1e-4, STEPS // 4)),
        replay=Prioritized(4_000, alpha=0.5),
        exploration=Exploration(start=1.0, end=1.0),
        actions=7,
        train_every=4,
        batch=64,
        target_every=100,
        learning_starts=STARTS,
    )
    loop = Loop(environment, agent, none(), total=STEPS)
    state = loop.init(key=jax.random.key(0))
    state, _, _ = loop.blocks(state, STARTS // 4, learn=False)
    state, _, _ = loop.blocks(state, (STEPS - STARTS) // 4, learn=True)
    return jax.vmap(state.agent.network)(frames)


def solve(lava, *, deadly: bool) -> np.ndarray:
    paid = RewardTable.of(lava, lava.enters_goal.astype(jnp.float32))
    constant = Rewarded(lava, paid)
    limited = TimeLimit(constant, jnp.array(deadly), constant.actions, constant.episode_length)
    frames = jnp.asarray(lava.observations.frames[: lava.observations.live], jnp.float32)
    return np.asarray(learnt(limited, frames))


def linked(lava) -> np.ndarray:
    """Live rows from which a goal can be reached: the others are never visited."""
    exact = optimal_q(lava, DISCOUNT)[: lava.observations.live]
    return exact.max(axis=1) > 0


@pytest.mark.slow
def test_double_dqn_finds_the_optimal_values_of_every_visited_row(lava):
    exact = optimal_q(lava, DISCOUNT)[: lava.observations.live]
    rows = linked(lava)
    found = solve(lava, deadly=False)
    assert np.abs(found - exact)[rows].max() < 0.05
    taken = found[rows].argmax(axis=1)
    lost = exact[rows].max(axis=1) - np.take_along_axis(exact[rows], taken[:, None], 1)[:, 0]
    assert lost.max() < 0.06, "greedy actions are optimal, or as good as rounded"


@pytest.mark.slow
def test_time_outs_treated_as_deaths_miss_the_optimal_values(lava):
    exact = optimal_q(lava, DISCOUNT)[: lava.observations.live]
    found = solve(lava, deadly=True)
    assert np.abs(found - exact)[linked(lava)].max() > 0.15
