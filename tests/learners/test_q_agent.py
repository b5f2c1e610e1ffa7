"""The Q-learning agent block by block against a slow reference in plain NumPy."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.lava.make import make_lava
from handrail.interventions.recipes import domain_prior, none
from handrail.learners.base import Clock
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import OnFrames, Tabulated
from handrail.learners.stored import TakeoverEnds
from handrail.networks.mlp import MLP
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop

BLOCK, BATCH, EVERY, STARTS, TOTAL, RATE, GAMMA = 4, 8, 12, 20, 160, 0.5, 0.9
blocks = eqx.filter_jit(Loop.blocks)


@pytest.fixture(scope="module")
def loop():
    environment = make_lava("LavaGapS5", layout=1, starts="anywhere")
    live = environment.observations.live
    agent = QAgent(
        loss=TDLoss(Tabulated(OnFrames(jnp.eye(live))), discount=GAMMA),
        make_network=partial(MLP, (live, 7)),
        optimizer=optax.sgd(RATE),
        replay=Ring(64),
        exploration=Exploration(),
        actions=7,
        train_every=BLOCK,
        batch=BATCH,
        target_every=EVERY,
        learning_starts=STARTS,
    )
    return Loop(environment, agent, none(), total=TOTAL)


def numpy_of(network) -> tuple[np.ndarray, np.ndarray]:
    (layer,) = network.layers
    return np.asarray(layer.weight, np.float64), np.asarray(layer.bias, np.float64)


def table_of(weight, bias) -> np.ndarray:
    """Values by row: the frames are unit vectors."""
    return weight.T + bias


def slow_update(weight, bias, target, items):
    """One step of gradient descent on the mean squared error, transition by transition."""
    values, live = table_of(weight, bias), weight.shape[1]
    weight, bias = weight.copy(), bias.copy()
    size = len(items.reward)
    for i in range(size):
        row, action = int(items.observation[i]), int(items.action[i])
        after = min(int(items.next_observation[i]), live - 1)
        goal = float(items.reward[i])
        if not items.terminated[i]:
            goal += GAMMA * target[after, values[after].argmax()]
        slope = -2 * (goal - values[row, action]) / size
        weight[action, row] -= RATE * slope
        bias[action] -= RATE * slope
    return weight, bias


def run(loop, refresh):
    """Drives loop and reference side by side; the greatest difference of any parameter.

    `refresh(step)`: whether the reference copies its target after the update at `step`.
    """
    state = loop.init(key=jax.random.key(3))
    weight, bias = numpy_of(state.agent.network)
    target, worst, copies = table_of(weight, bias), 0.0, []
    for step in range(BLOCK, TOTAL + 1, BLOCK):
        key, learn = stream(state.key, "learn", state.progress.step), step > STARTS
        state, _, _ = blocks(loop, state, 1, learn=learn)
        if learn:
            draw = stream(key, "replay")
            items = loop.agent.replay.sample(state.agent.replay, BATCH, key=draw).items
            weight, bias = slow_update(weight, bias, target, items)
            if refresh(step):
                target = table_of(weight, bias)
                copies.append(step)
        found = numpy_of(state.agent.network)
        worst = max(
            worst, *(np.abs(a - b).max() for a, b in zip(found, (weight, bias), strict=True))
        )
    return worst, copies


def test_the_target_is_copied_after_the_update_at_its_multiples(loop):
    worst, copies = run(loop, lambda step: step % EVERY == 0)
    assert worst < 1e-4
    assert copies == list(range(24, TOTAL + 1, 12))


@pytest.mark.parametrize("wrong", [lambda s: s % EVERY == BLOCK, lambda s: False, lambda s: True])
def test_another_time_of_copying_would_be_seen(loop, wrong):
    assert run(loop, wrong)[0] > 1e-3


def test_nothing_is_learnt_before_it_starts(loop):
    state = loop.init(key=jax.random.key(3))
    after, _, metrics = blocks(loop, state, STARTS // BLOCK, learn=False)
    assert metrics == {}
    for a, b in zip(
        jax.tree.leaves(state.agent.network), jax.tree.leaves(after.agent.network), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert int(after.agent.replay.added) == STARTS


@pytest.mark.parametrize("progress", [0.0, 0.45, 0.9, 1.0])
def test_exploration_has_its_rate_and_is_uniform(loop, progress):
    agent, observation = loop.agent, jnp.int32(3)
    network = MLP((loop.environment.observations.live, 7), key=jax.random.key(1))
    actor = agent.actor(network)
    clock = Clock(jnp.int32(0), jnp.float32(progress))
    keys = jax.random.split(jax.random.key(0), 20_000)
    actions = jax.vmap(lambda key: agent.propose(actor, observation, clock, key=key).action)(keys)
    best = int(agent.evaluation_action(actor, observation, key=keys[0]))
    assert best == int(network(jnp.eye(loop.environment.observations.live)[3]).argmax())
    rate = 1.0 - 0.95 * min(progress / 0.9, 1.0)
    shares = np.bincount(np.asarray(actions), minlength=7) / len(actions)
    expected = np.full(7, rate / 7)
    expected[best] += 1 - rate
    np.testing.assert_allclose(shares, expected, atol=0.015)


def test_a_replay_keeps_what_was_executed_and_the_last_observation(loop):
    """Rows beyond the live ones are the ends of episodes: never lost, never acted on."""
    state = loop.init(key=jax.random.key(3))
    state, _, _ = blocks(loop, state, STARTS // BLOCK, learn=False)
    stored = jax.tree.map(lambda leaf: np.asarray(leaf)[:STARTS], state.agent.replay.items)
    world = loop.environment
    expected = np.asarray(world.successor)[stored.observation, stored.action]
    np.testing.assert_array_equal(stored.next_observation, expected)
    ended = stored.terminated | stored.truncated
    follows = stored.observation[1:] == stored.next_observation[:-1]
    assert follows[~ended[:-1]].all()
    assert (stored.observation < world.observations.live).all()
    np.testing.assert_array_equal(stored.proposed, stored.action)


@pytest.mark.parametrize("every", [0, 6, BLOCK - 1])
def test_a_target_that_would_be_copied_too_seldom_is_refused(loop, every):
    with pytest.raises(HandrailError, match=f"target_every is {every}: expected a multiple of"):
        dataclasses.replace(loop.agent, target_every=every)


def test_what_it_is_not_let_do_ends_its_episode_for_it(loop):
    """Turning left is always overruled by turning right, which it learns from its own action."""
    prior = lambda row: jnp.where(jnp.arange(7) == 0, -1.0, 0.0)
    ends = dataclasses.replace(loop.agent, stored=(TakeoverEnds(cost=1.0),))
    kept = {}
    for name, agent in (("executed", loop.agent), ("ended", ends)):
        guarded = dataclasses.replace(loop, agent=agent, intervention=domain_prior(prior))
        state, records, _ = blocks(guarded, guarded.init(key=jax.random.key(0)), 8, learn=False)
        items = jax.tree.map(lambda leaf: np.asarray(leaf)[:32], state.agent.replay.items)
        kept[name] = items
        assert 0 < items.intervened.sum() < 32 and np.isfinite(records.episode.cost).all()
    executed, ended = kept["executed"], kept["ended"]
    overruled = ended.intervened
    np.testing.assert_array_equal(ended.action[overruled], 0)
    assert (executed.action[overruled] != 0).all() and not executed.terminated[overruled].all()
    assert ended.terminated[overruled].all() and (ended.cost[overruled] == 1).all()
    assert (ended.reward[overruled] == 0).all()
    for one, other in zip(*map(jax.tree.leaves, (executed, ended)), strict=True):
        np.testing.assert_array_equal(one[~overruled], other[~overruled])
