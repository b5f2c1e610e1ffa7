"""What the prior is taught, where every source value is exact: the choice at the end of a task.

Two source tasks are the lava layout itself, two the same layout with walls instead of lava
(SimpleCrossing at the same seed), so the rows that can be acted on are the same.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.lava.make import make_lava
from handrail.envs.lava.tables import FORWARD
from handrail.envs.wrappers import Rewarded, RewardTable
from handrail.equations.safety_checks import above_mean, is_below_mean
from handrail.methods.contrastive.finite import pseudo_reward_table
from handrail.methods.contrastive.settings import PriorSettings
from handrail.tasks.lava.problems import dynamics_of, inputs_of
from tests.envs.lava.dynamic_programming import optimal_q

GAMMA = 0.99
KEY = jax.random.key(0)  # nothing here is random
LAYOUTS = [(1, "LavaCrossingS9N1"), (123, "LavaCrossingS9N2")]


class Exact:
    """A source "network" that knows its values: frames are recognised, not generalised."""

    def __init__(self, frames: np.ndarray, values: np.ndarray):
        self.frames, self.values = jnp.asarray(frames), jnp.asarray(values, jnp.float32)

    def __call__(self, frame):
        return self.values[(self.frames == frame[None]).all(axis=1).argmax()]


@pytest.fixture(scope="module", params=LAYOUTS, ids=lambda p: p[1])
def world(request):
    seed, name = request.param
    lava = make_lava(name, layout=seed)
    walls = make_lava(name.replace("Lava", "Simple"), layout=seed)
    live = lava.observations.live
    assert np.array_equal(lava.world.pose_of_row[:live], walls.world.pose_of_row[:live])
    values = [np.zeros((len(lava.successor), 7)) for _ in range(2)]
    for table, environment in zip(values, (lava, walls), strict=True):
        table[:live] = optimal_q(environment, GAMMA)[:live]
    frames = lava.observations.frames
    return lava, {"lava": Exact(frames, values[0]), "walls": Exact(frames, values[1])}


def rewards_of(world, terminal: str, sources=("lava", "lava", "walls", "walls")) -> np.ndarray:
    lava, exact = world
    settings = PriorSettings(terminal=terminal)
    networks = [exact[name] for name in sources]
    inputs = inputs_of(lava, "symbolic")
    return np.asarray(pseudo_reward_table(inputs, dynamics_of(lava), networks, settings))


def prior_of(lava, rewards: np.ndarray) -> np.ndarray:
    """Exact Q-values of the pseudo-reward: what the prior's training converges to."""
    ended = np.asarray(lava.enters_goal | lava.unsafe_table)
    successor, q = np.asarray(lava.successor), np.zeros(rewards.shape)
    for _ in range(3_000):
        q = rewards + GAMMA * ~ended * q.max(axis=1)[successor]
        q[lava.observations.live :] = 0
    return q


def dangerous(lava) -> np.ndarray:
    """Rows with lava ahead from which a goal can be reached."""
    reachable = optimal_q(lava, GAMMA).max(axis=1) > 0
    rows = np.flatnonzero(np.asarray(lava.lava_ahead) & reachable)
    assert len(rows) > 5
    return rows


@pytest.mark.parametrize("sources", [("lava",) * 4, ("lava", "lava", "walls", "walls")])
def test_masked_ends_give_lava_no_negative_reward(world, sources):
    """Entering lava costs no source anything that it could lose: 0 − γ · 0."""
    lava, _ = world
    assert (rewards_of(world, "masked", sources)[dangerous(lava), FORWARD] >= 0).all()


@pytest.mark.parametrize("sources", [("lava",) * 4, ("lava", "lava", "walls", "walls")])
def test_values_of_the_first_state_after_an_end_make_lava_the_worst_action(world, sources):
    """The authors' environment has been reset by then: the loss is a whole episode's value."""
    lava, _ = world
    rows, rewards = dangerous(lava), rewards_of(world, "reset", sources)
    assert (rewards[rows, FORWARD] < -0.1).all()
    prior = prior_of(lava, rewards)[rows]
    others = np.delete(prior, FORWARD, axis=1)
    assert (prior[:, FORWARD] < others.min(axis=1)).all()


def checks(lava, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In each dangerous row: is going forward flagged, and is it among the substitutes?"""
    rows = dangerous(lava)
    values = [jnp.asarray(prior[row], jnp.float32) for row in rows]
    flagged = [bool(is_below_mean(q, jnp.int32(FORWARD))) for q in values]
    offered = [bool(above_mean(q)[FORWARD]) for q in values]
    return np.array(flagged), np.array(offered)


def test_only_the_prior_of_reset_ends_warns_of_lava(world):
    lava, _ = world
    flagged, offered = checks(lava, prior_of(lava, rewards_of(world, "reset")))
    assert flagged.all()
    assert not offered.any()
    flagged, offered = checks(lava, prior_of(lava, rewards_of(world, "masked")))
    assert not flagged.any(), "the masked form never warns"
    assert offered.any(), "and it even offers lava as the better action"


def test_safe_steps_towards_the_goal_earn_nothing(world):
    """Only what all sources dislike earns a pseudo-reward; the best actions never do."""
    lava, _ = world
    rewards = rewards_of(world, "reset")
    best = optimal_q(lava, GAMMA)[: lava.observations.live]
    rows = np.flatnonzero(best.max(axis=1) > 0)
    assert (rewards[rows, best[rows].argmax(axis=1)] == 0).all()


def test_an_environment_with_other_rewards_is_otherwise_the_same(world):
    lava, _ = world
    rewards = jnp.arange(lava.successor.size, dtype=jnp.float32).reshape(lava.successor.shape)
    other = Rewarded(lava, RewardTable.of(lava, rewards))
    state, _ = other.reset(key=KEY)
    for action in (2, 0, 2, 1, 2):
        expected_state, expected = lava.step(state, jnp.int32(action), key=KEY)
        before = state.row
        state, step = other.step(state, jnp.int32(action), key=KEY)
        assert step.reward == rewards[before, action]
        assert (step.observation, step.cost, step.terminated) == (
            expected.observation, expected.cost, expected.terminated,
        )  # fmt: skip
        assert state.row == expected_state.row
    assert (other.actions, other.episode_length) == (lava.actions, lava.episode_length)
    with pytest.raises(HandrailError, match="rewards have shape"):
        RewardTable.of(lava, rewards[:, :3])
