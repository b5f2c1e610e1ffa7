"""Q-learning on an auto-encoder's latent, and the representation learnt while another acts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handrail.core.rng import stream
from handrail.core.types import Transition
from handrail.envs.lava.make import make_lava
from handrail.interventions.recipes import none
from handrail.learners.base import Clock
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import OnFrames, Tabulated
from handrail.learners.representation.agent import Frames, RepresentationAgent
from handrail.learners.representation.autoencoder import (
    AutoencoderLearner,
    Contrastive,
    Vanilla,
    Variational,
    reparameterise,
)
from handrail.learners.representation.latent_agent import LatentAgent, LatentQ, SampledLatents
from handrail.methods.contrastive.built import EncoderNetwork
from handrail.methods.contrastive.inputs import autoencoder
from handrail.networks.mlp import MLP
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop

LATENT, BATCH, GAMMA = 5, 16, 0.9
CLOCK = Clock(jnp.int32(60), jnp.float32(0.3))
KEY = jax.random.key(11)


@pytest.fixture(scope="module")
def world():
    return make_lava("LavaGapS5", layout=1, starts="anywhere")


def q_agent(values, make_network=lambda key: None) -> QAgent:
    return QAgent(
        loss=TDLoss(values, discount=GAMMA),
        make_network=make_network,
        optimizer=optax.adam(1e-3),
        replay=Ring(512),
        exploration=Exploration(),
        actions=7,
        batch=BATCH,
        target_every=20,
        learning_starts=20,
    )


def latent_agent(world, *, variational: bool) -> LatentAgent:
    frames = jnp.asarray(world.observations.frames, jnp.float32)
    live = frames[: world.observations.live]
    values = SampledLatents(live) if variational else Tabulated(OnFrames(live))
    shape = frames.shape[1:]
    return LatentAgent(
        acting=q_agent(values),
        autoencoder=AutoencoderLearner(
            make=partial(autoencoder, shape, EncoderNetwork(LATENT, (8,), variational=variational)),
            loss=Variational() if variational else Vanilla(),
        ),
        make_head=partial(MLP, (LATENT, 8, 7)),
        encoder_input=Frames(frames),
        seen=Ring(256),
        batch=8,
        learning_starts=10,
    )


def after_steps(loop: Loop, steps: int):
    """A run's state after random steps; nothing has been learnt."""
    state = loop.init(key=jax.random.key(0))
    count = steps // loop.agent.train_every
    return jax.jit(lambda s: loop.blocks(s, count, learn=False)[0])(state)


def assert_close(left, right, **tolerance):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 1e-4, "atol": 1e-6, **tolerance})


@pytest.mark.parametrize("variational", [False, True])
def test_head_and_encoder_step_on_the_td_gradient_of_a_naive_twin(world, variational):
    """The first update of a fresh agent, written out with `jax.grad` on the whole batch."""
    agent = latent_agent(world, variational=variational)
    state = after_steps(Loop(world, agent, none(), 200), 60).agent

    @jax.jit
    def learn(state):
        policy_snapshot = agent.prepare(state, key=jax.random.key(1))
        return agent.learn(state, policy_snapshot, CLOCK, key=KEY)

    learnt, metrics = learn(state)
    items = agent.acting.replay.sample(state.replay, BATCH, key=stream(KEY, "replay")).items
    frames = jnp.asarray(world.observations.frames, jnp.float32)
    live = frames[: world.observations.live]
    keys = jax.vmap(lambda key: jax.random.split(key, 4))(
        jax.random.split(stream(KEY, "loss"), BATCH)
    )

    def values(network: LatentQ, row, key):
        frame = live[jnp.minimum(row, len(live) - 1)]
        if not variational:
            return network(frame)
        mean, log_variance = network.encoder.distribution(frame[None])
        noise = jax.random.normal(key, (LATENT,))
        return network.head(reparameterise(mean[0], log_variance[0], noise))

    def loss(network: LatentQ):
        evaluate = jax.vmap(values, in_axes=(None, 0, 0))
        frozen = jax.lax.stop_gradient(network)
        best = evaluate(frozen, items.next_observation, keys[:, 1]).argmax(1)
        rated = evaluate(frozen, items.next_observation, keys[:, 2])  # the target is a copy
        index = jnp.arange(BATCH)
        goal = items.reward + GAMMA * (1.0 - items.terminated) * rated[index, best]
        now = evaluate(network, items.observation, keys[:, 0])[index, items.action]
        return jnp.mean((goal - now) ** 2)

    value, gradient = jax.jit(jax.value_and_grad(loss))(state.network)
    np.testing.assert_allclose(metrics["losses/td"], value, rtol=1e-4)
    updates, _ = agent.acting.optimizer.update(
        gradient.head, agent.acting.optimizer.init(state.head)
    )
    assert_close(learnt.head, optax.apply_updates(state.head, updates))

    # the encoder: one step of its own optimiser, then the auto-encoder's two updates
    expected = jax.jit(agent.autoencoder.step_encoder)(state.autoencoder, gradient.encoder)
    update = jax.jit(agent.autoencoder.update)
    for key in jax.random.split(stream(KEY, "autoencoder"), agent.updates):
        rows = agent.seen.sample(state.seen, agent.batch, key=stream(key, "seen")).items
        expected, _ = update(expected, frames[rows], jnp.zeros(agent.batch, bool), key=key)
    assert_close(learnt.autoencoder.model, expected.model, atol=2e-5)


def test_a_variational_agent_samples_its_latent_anew_at_every_call(world):
    agent = latent_agent(world, variational=True)
    state = agent.init(_example(), key=jax.random.key(0))
    actor = agent.prepare(state, key=KEY)
    rows = jnp.full(50, 3)
    sampled = jax.vmap(lambda row, key: agent.acting.loss.values(actor.values, row, key=key))(
        rows, jax.random.split(KEY, 50)
    )
    assert len(np.unique(np.asarray(sampled)[:, 0])) == 50


def test_what_acts_from_a_saved_network_is_what_has_been_learnt(world):
    agent = latent_agent(world, variational=False)
    state = agent.init(_example(), key=jax.random.key(0))
    fresh = agent.fresh_network(key=jax.random.key(5))
    assert jax.tree.structure(fresh) == jax.tree.structure(state.network)
    actor = agent.actor(state.network)
    np.testing.assert_array_equal(actor.values, agent.prepare(state, key=KEY).values)


def test_a_latent_agent_waits_for_its_own_start_while_the_autoencoder_learns(world):
    agent = latent_agent(world, variational=False)
    state = after_steps(Loop(world, agent, none(), 10_000), 20).agent

    @jax.jit
    def learn(state, step):
        policy_snapshot = agent.prepare(state, key=KEY)
        return agent.learn(state, policy_snapshot, Clock(step, jnp.float32(0.1)), key=KEY)

    for step, learns in ((20, False), (30, True)):
        after, metrics = learn(state, jnp.int32(step))
        assert _moved(state.head, after.head) == learns
        assert (metrics["losses/td"] > 0) == learns
        assert _moved(state.autoencoder.model.decoder, after.autoencoder.model.decoder)


def _example() -> Transition:
    zero, row = jnp.float32(0), jnp.int32(0)
    no = jnp.array(False)
    return Transition(row, row, row, zero, zero, row, no, no, no, jnp.ones(()), {})


@pytest.fixture(scope="module")
def representation(world):
    frames = jnp.asarray(world.observations.frames, jnp.float32)
    live, shape = frames[: world.observations.live], frames.shape[1:]
    return RepresentationAgent(
        acting=q_agent(Tabulated(OnFrames(live)), partial(MLP, (*shape, 8, 7))),
        autoencoder=AutoencoderLearner(
            make=partial(autoencoder, shape, EncoderNetwork(LATENT, (8,))), loss=Contrastive()
        ),
        show=Frames(frames),
        seen=Ring(512),
        unsafe=Ring(128),
        batch=10,
        learning_starts=0,
    )


def test_unsafe_rows_are_those_just_before_a_violation(world, representation):
    state = after_steps(Loop(world, representation, none(), 10_000), 400).agent
    stored = jax.tree.map(lambda leaf: np.asarray(leaf)[:400], state.acting.replay.items)
    expected = stored.observation[stored.cost > 0]
    found = np.asarray(state.unsafe.items)[: int(state.unsafe.added)]
    assert len(expected) > 3
    np.testing.assert_array_equal(found, expected)
    assert np.asarray(world.unsafe_table)[found].any(axis=1).all(), "lava is one action away"
    assert int(state.seen.added) == 400


def test_half_of_a_batch_is_unsafe_once_there_is_something_unsafe(world, representation):
    fresh = representation.init(_example(), key=jax.random.key(0))
    later = after_steps(Loop(world, representation, none(), 10_000), 400).agent
    known = set(np.asarray(later.unsafe.items)[: int(later.unsafe.added)].tolist())
    _, labels = representation._draw(fresh, key=KEY)
    assert not labels.any(), "before the first violation nothing is called unsafe"
    for seed in range(5):
        rows, labels = representation._draw(later, key=jax.random.key(seed))
        assert np.asarray(labels).tolist() == [False] * 5 + [True] * 5
        assert set(np.asarray(rows)[5:].tolist()) <= known


def test_the_acting_agent_waits_for_its_own_start_while_the_encoder_learns(world, representation):
    state = after_steps(Loop(world, representation, none(), 10_000), 20).agent

    @jax.jit
    def learn(state, step):
        policy_snapshot = representation.prepare(state, key=KEY)
        clock = Clock(step, jnp.float32(0.1))
        return representation.learn(state, policy_snapshot, clock, key=KEY)[0]

    for step, acts in ((20, False), (30, True)):
        after = learn(state, jnp.int32(step))
        moved = _moved(state.acting.network, after.acting.network)
        assert moved == acts
        assert _moved(state.autoencoder.model, after.autoencoder.model)


def _moved(before, after) -> bool:
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return any(bool((np.asarray(a) != np.asarray(b)).any()) for a, b in pairs)
