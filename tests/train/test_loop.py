"""The compiled loop: traced once, deterministic, cut anywhere, and what it counts is true."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from handrail.envs.lava.make import make_lava
from handrail.interventions.recipes import domain_prior, none
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import OnFrames, Tabulated
from handrail.networks.mlp import MLP
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop
from handrail.train.evaluate import evaluate
from handrail.train.step_statistics import CheckConfusion, precision_and_recall
from tests.envs.lava.dynamic_programming import follow, optimal_q, optimal_returns
from tests.train.small import content, perfect_prior, run, small_agent, small_loop

blocks = eqx.filter_jit(Loop.blocks)


def assert_same_state(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


class Counted(QAgent):
    """Counts how often learning and observing are traced."""

    def learn(self, state, policy_snapshot, clock, *, key):
        TRACES["learn"] += 1
        return QAgent.learn(self, state, policy_snapshot, clock, key=key)

    def observe(self, state, transition, clock):
        TRACES["observe"] += 1
        return QAgent.observe(self, state, transition, clock)


TRACES = {"learn": 0, "observe": 0}


def test_every_variant_is_traced_once_and_equal_seeds_give_equal_bytes(tmp_path):
    """Two variants: without learning (the first chunk) and with it (the other three)."""
    loop = small_loop()
    fields = {f.name: getattr(loop.agent, f.name) for f in dataclasses.fields(loop.agent)}
    loop = dataclasses.replace(loop, agent=Counted(**fields))
    seen = []
    run(loop, tmp_path / "a", report=lambda step, metrics: seen.append(dict(TRACES)))
    silent, *learning = seen
    assert silent["learn"] == 0
    assert learning == [learning[0]] * 3
    assert learning[0] == {"learn": 1, "observe": 2 * silent["observe"]}
    run(loop, tmp_path / "b")
    run(loop, tmp_path / "c", seed=8)
    assert learning[0] == TRACES, "another folder and another seed trace nothing"
    first, again, other = (content(tmp_path / name) for name in "abc")
    assert first == again
    assert all(first[name] != other[name] for name in first if name != "run.json")


def test_the_size_of_chunks_does_not_matter():
    loop = small_loop()
    start = loop.init(key=jax.random.key(1))
    half, first, early = blocks(loop, start, 20, learn=True)
    half, second, late = blocks(loop, half, 20, learn=True)
    whole, records, metrics = blocks(loop, start, 40, learn=True)
    assert_same_state(whole, half)
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), (first, early), (second, late))
    assert_same_state((records, metrics), joined)


def learning_loop(prior_prob: float | None, *, total: int, starts: int):
    """DQN on a lava layout, with a prior that knows the truth or without one."""
    environment = make_lava("LavaGapS5", layout=1, starts="anywhere")
    agent = dataclasses.replace(small_agent(environment), learning_starts=starts)
    intervention = (
        none()
        if prior_prob is None
        else domain_prior(perfect_prior(environment), prior_prob=prior_prob)
    )
    return Loop(environment, agent, intervention, total, CheckConfusion(environment))


def test_a_perfect_prior_that_is_always_heeded_allows_no_violation():
    loop = learning_loop(1.0, total=4_000, starts=1_000)
    state = loop.init(key=jax.random.key(0))
    state, _, _ = blocks(loop, state, 100, learn=False)
    state, records, _ = blocks(loop, state, 300, learn=True)
    assert float(state.progress.cost) == 0
    confusion = np.asarray(state.counts["action_check"])
    assert confusion[0, 1] == confusion[1, 0] == 0, "flagged exactly where it would be lava"
    assert confusion[1, 1] == int(state.progress.interventions) > 20
    assert precision_and_recall(confusion) == (1.0, 1.0)
    assert confusion.sum() == np.asarray(state.counts["visits"]).sum() == 4_000
    assert int(records.ended.sum()) > 0


def test_a_perfect_prior_lets_through_what_its_coin_lets_through():
    """Random actions, 20,000 steps: violations are binomial with 1 − ρ = 0.05 of the flags."""
    loop = learning_loop(0.95, total=20_000, starts=20_000)
    state, _, _ = blocks(loop, loop.init(key=jax.random.key(0)), 2_000, learn=False)
    flagged = int(np.asarray(state.counts["action_check"])[1, 1])
    violations, stopped = float(state.progress.cost), int(state.progress.interventions)
    assert flagged == violations + stopped, "what is not stopped happens"
    assert flagged > 500
    assert abs(violations - 0.05 * flagged) < 4 * np.sqrt(flagged * 0.05 * 0.95)


def test_without_an_intervention_every_flag_is_a_violation():
    loop = learning_loop(None, total=20_000, starts=20_000)
    state, records, _ = blocks(loop, loop.init(key=jax.random.key(0)), 2_000, learn=False)
    confusion = np.asarray(state.counts["action_check"])
    assert confusion[:, 1].sum() == 0, "a check that is not made counts as silent"
    assert confusion[1, 0] == float(state.progress.cost) > 500
    ended = np.asarray(records.ended)
    assert float(np.asarray(records.episode.cost)[ended].sum()) == float(state.progress.cost)
    assert int(state.progress.episode) == ended.sum()


def test_precision_and_recall_of_nothing_are_not_numbers():
    precision, recall = precision_and_recall(jnp.zeros((2, 2), jnp.int32))
    assert np.isnan([precision, recall]).all()
    assert precision_and_recall(jnp.array([[5, 1], [3, 2]])) == (2 / 3, 2 / 5)


def test_evaluation_of_the_optimal_values_gives_the_optimal_returns():
    environment = make_lava("LavaGapS5", layout=1)
    exact = optimal_q(environment, 0.9)
    live = environment.observations.live
    agent = QAgent(
        loss=TDLoss(Tabulated(OnFrames(jnp.eye(live)))),
        make_network=partial(MLP, (live, 7)),
        optimizer=optax.sgd(0.0),
        replay=Ring(10),
        exploration=Exploration(),
        actions=7,
    )
    loop = Loop(environment, agent, none(), 10)
    state = loop.init(key=jax.random.key(0)).agent
    for policy, returns in ((exact[:live], optimal_returns(environment)), (-exact[:live], None)):
        table = jnp.asarray(policy.T, jnp.float32)
        taught = eqx.tree_at(
            lambda s: (s.network.layers[0].weight, s.network.layers[0].bias),
            state, (table, jnp.zeros(7)),
        )  # fmt: skip
        done = evaluate(environment, agent, taught, episodes=4, key=jax.random.key(0))
        played = follow(environment, np.pad(policy.argmax(1), (0, len(exact) - live)))
        np.testing.assert_allclose(done.returns, played.episode_return[0], rtol=1e-6)
        np.testing.assert_allclose(done.costs, played.cost[0])
        np.testing.assert_array_equal(done.lengths, played.steps[0])
        if returns is not None:
            np.testing.assert_allclose(done.returns, returns[0], rtol=1e-6)


def test_an_unsafe_step_is_stored_before_the_reset():
    """The next observation of a violation is the lava, not the first of the next episode."""
    loop = learning_loop(None, total=500, starts=500)
    state, _, _ = blocks(loop, loop.init(key=jax.random.key(0)), 50, learn=False)
    stored = jax.tree.map(np.asarray, state.agent.replay.ring.items)
    burnt = stored.cost > 0
    assert burnt.any()
    assert (stored.next_observation[burnt] >= loop.environment.observations.live).all()
    assert stored.terminated[burnt].all()
