"""Several environments in a host loop: what a plain loop over them does, wave by wave."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.core.rng import stream
from handrail.core.types import Timestep
from handrail.envs.host_copies import HostCopies
from handrail.envs.vector_host import together
from handrail.interventions.recipes import control_switch, linear_decay, none, wandering
from handrail.interventions.substitutes import Policy
from handrail.learners.base import Clock
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.networks.gaussian import GaussianPolicy
from handrail.train.host import HostLoop
from handrail.train.run import execute
from handrail.train.step import EpisodeSoFar, Progress, decide, make_transition, store
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import Toy
from tests.train.test_host_loop import (
    BLOCK,
    Fleeting,
    assert_same,
    both,
    copied,
    guided,
    lava,
    learnt,
    run,
    sac,
)

pytestmark = pytest.mark.optimized  # bit for bit

LENGTHS = (10, 7, 5, 3)  # of the copies' episodes
TOTAL = 400


def toys():
    return [OnHost(Toy(True, length)) for length in LENGTHS]


@functools.cache
def four():
    """Compiled once for all tests."""
    _, agent, intervention = guided()
    return HostLoop(HostCopies(toys()), agent, intervention, TOTAL)


@pytest.mark.parametrize(
    ("make", "delayed"),
    [(guided, False), (guided, True), (lava, False)],
    ids=["prompt", "delayed", "lava"],
)
def test_one_environment_side_by_side_is_one_alone(make, delayed):
    """Bit by bit: decisions, stored transitions, memories, records and metrics."""
    environment, agent, intervention = make()
    _, alone = both(make, delayed=delayed)
    beside = HostLoop(
        HostCopies([OnHost(environment)]), agent, intervention, alone.total, delayed=delayed
    )
    (one, seen), (other, measured) = run(alone), run(beside)
    assert_same(seen, measured)
    copies = jax.tree.map(lambda leaf: leaf[0], other.memory)
    assert_same(one.progress, copies.progress)
    totals = dataclasses.replace(other.progress, so_far=one.progress.so_far)
    observation = jax.tree.map(lambda leaf: leaf[0], other.observation)
    other = dataclasses.replace(
        other, memory=copies.memory, progress=totals, observation=observation
    )
    assert_same(learnt(one), learnt(other))
    assert int(one.progress.episode) > 3


def in_plain_python(loop, hosts, blocks, learning_from):
    """The same, one environment and one step after another; sums are Python's."""
    agent, intervention, key, n = loop.agent, loop.intervention, jax.random.key(0), len(hosts)
    share, total = loop.total // n, loop.total
    state = loop.init(key=key).agent
    first = stream(key, "first reset")
    seen = [
        host.reset(key=first if not i else stream(first, "copy", i)) for i, host in enumerate(hosts)
    ]
    memories = [intervention.init() for _ in hosts]
    episodes, so_far = [0] * n, [[0, 0.0, 0.0, 0] for _ in hosts]
    rows, step = [], 0
    choose = eqx.filter_jit(
        lambda clock, *given: decide(agent, intervention, *given, clock=clock, key=key)
    )
    settle = eqx.filter_jit(lambda *given: make_transition(agent, intervention, *given, key=key))
    remember = eqx.filter_jit(
        lambda state, transition, step: store(agent, state, transition, step, total=total)
    )
    for _ in range(blocks):
        block, policy_snapshot = step, agent.prepare(state, key=stream(key, "prepare", step))
        for _ in range(agent.train_every // n):
            for i, host in enumerate(hosts):
                number, sums = i * share + step // n, so_far[i]
                clock = Clock(jnp.int32(step), jnp.float32(step) / total)
                where = Progress(
                    jnp.int32(number), jnp.int32(i * share + episodes[i]), jnp.float32(0),
                    jnp.int32(0),
                    EpisodeSoFar(
                        jnp.int32(sums[0]), jnp.float32(sums[1]), jnp.float32(sums[2]),
                        jnp.int32(sums[3]),
                    ),
                )  # fmt: skip
                given = (policy_snapshot, memories[i], seen[i], where)
                context, decision = choose(clock, *given)
                timestep = host.step(
                    np.asarray(decision.action), key=stream(key, "environment", number)
                )
                device = Timestep(*jax.tree.map(jnp.asarray, tuple(timestep)))
                memories[i], transition = settle(
                    policy_snapshot, memories[i], context, decision, device
                )
                state = remember(state, transition, jnp.int32(step))
                seen[i] = timestep.observation
                happened = (1, timestep.reward, timestep.cost, decision.intervened)
                so_far[i] = [a + float(b) for a, b in zip(sums, happened, strict=True)]
                step += 1
                if timestep.terminated or timestep.truncated:
                    rows.append([step, *so_far[i]])
                    episodes[i], so_far[i] = episodes[i] + 1, [0, 0.0, 0.0, 0]
                    seen[i] = host.reset(key=stream(key, "reset", number))
        if block >= learning_from:
            end = Clock(jnp.int32(step), jnp.float32(step) / total)
            state, _ = agent.learn(state, policy_snapshot, end, key=stream(key, "learn", block))
    return state, memories, seen, rows


def test_several_are_what_a_plain_loop_makes_of_them():
    """Four environments with episodes of four lengths, a guide in each after its first cost."""
    loop, plan = four(), ((2, False), (3, True))
    state, seen = run(loop, plan=plan)
    agent, memories, observed, rows = in_plain_python(loop, toys(), 5, 2 * BLOCK)
    close = {"rtol": 1e-4, "atol": 1e-6}
    assert_same(state.agent.replay, agent.replay, **close)
    assert_same(state.agent.learner, agent.learner, **close)
    assert_same(state.memory.memory, together(memories))
    assert_same(state.observation, together(observed), **close)
    records = jax.tree.map(lambda *x: np.concatenate(x), *(chunk[0] for chunk in seen))
    ended = np.flatnonzero(records.ended)
    episode = jax.tree.map(lambda x: x[ended], records.episode)
    columns = (1 + ended, episode.steps, episode.reward, episode.cost, episode.interventions)
    np.testing.assert_allclose(np.stack(columns, 1), np.array(rows), **close)
    # what was compared is worth it: ends in the midst of waves, and guides that differ
    assert len(set(1 + ended) - set(range(0, 100, 4))) > 3
    assert len(rows) == int(state.progress.episode)
    assert len(set(episode.interventions.tolist())) > 1
    assert int(state.progress.step) == 5 * BLOCK
    assert int(state.progress.interventions) == int(agent.replay.items.intervened.sum())
    assert float(state.progress.cost) == float(agent.replay.items.cost.sum())


def test_each_is_remembered_by_itself():
    """The guide drives where that episode has had a cost, and nowhere else."""
    state, _ = run(four(), plan=((4, False),))
    items = jax.tree.map(lambda x: np.asarray(x[: 4 * BLOCK]), state.agent.replay.items)
    latched = [False] * len(LENGTHS)
    for index in range(4 * BLOCK):
        copy = index % len(LENGTHS)
        assert items.intervened[index] == latched[copy]
        latched[copy] |= items.cost[index] > 0
        if items.truncated[index]:
            latched[copy] = False
    assert 0 < items.intervened.mean() < 1


def test_the_final_observation_is_stored_and_the_next_episode_begins_elsewhere():
    state, _ = run(four(), plan=((4, False),))
    items = jax.tree.map(lambda x: np.asarray(x[: 4 * BLOCK]), state.agent.replay.items)
    for copy, length in enumerate(LENGTHS):
        own = jax.tree.map(lambda x, copy=copy: x[copy :: len(LENGTHS)], items)
        steps = own.next_observation["hazards_lidar"][:, 0] * 10
        expected = 1 + np.arange(len(steps)) % length
        np.testing.assert_allclose(steps, expected, rtol=1e-6)
        assert np.array_equal(own.truncated, expected == length) and not own.terminated.any()
        begun = own.observation["place"][np.flatnonzero(expected == 1)]
        assert len(np.unique(begun, axis=0)) == len(begun), "episodes begin alike"


def test_no_two_copies_draw_alike():
    """Even where they are the same environment."""
    alike = HostLoop(HostCopies([OnHost(Toy(True)), OnHost(Toy(True))]), sac(), none(), 40)
    state, _ = run(alike, plan=((1, False),))
    items = jax.tree.map(lambda x: np.asarray(x[:BLOCK]), state.agent.replay.items)
    assert len(np.unique(items.action, axis=0)) == BLOCK
    assert len(np.unique(items.observation["place"][:2], axis=0)) == 2


def test_spells_are_of_consecutive_steps_of_one_environment():
    length = 5
    loop = HostLoop(
        HostCopies(toys()), sac(), wandering(0.5, length, key=jax.random.key(3)), TOTAL
    )  # fmt: skip
    state, _ = run(loop, plan=((15, False),))
    items = jax.tree.map(lambda x: np.asarray(x[: 15 * BLOCK]), state.agent.replay.items)
    spells = items.intervened.reshape(-1, length, len(LENGTHS))  # spell, step in it, copy
    assert (spells == spells[:, :1]).all(), "a spell was left or entered in its midst"
    assert 0 < spells.mean() < 1
    assert len({tuple(row) for row in spells[:, 0].T}) == len(LENGTHS), "all at the same time"
    first, copy = np.argwhere(spells[:, 0])[0]
    held = items.action.reshape(*spells.shape, -1)[first, :, copy]
    assert (held == held[0]).all()


def test_chunks_do_not_matter_and_any_state_goes_on():
    loop = four()
    whole, _ = run(loop, plan=((2, False), (4, True)))
    middle, _ = run(loop, plan=((1, False), (1, False), (1, True)))
    kept = copied(middle)
    loop.blocks(middle, 2, learn=True)  # the environments move on
    again, *_ = loop.blocks(kept, 3, learn=True)
    assert_same(whole, again)


class Short(Fleeting):
    """Episodes of five steps; the other's last for ten."""

    def step(self, action, *, key):
        timestep = Fleeting.step(self, action, key=key)
        return timestep._replace(truncated=np.bool_(self.steps == 5))


def test_episodes_that_cannot_be_saved_begin_anew():
    """Where one was under way the trigger forgets it; where none was, nothing is counted."""
    guide = OnVectors(GaussianPolicy(3, 2, (4,), key=jax.random.key(9)))
    hosts = [Fleeting(), Short()]
    agent = sac(train_every=10, learning_starts=10)
    loop = HostLoop(HostCopies(hosts), agent, control_switch(Policy(Sampled(guide))), 100)
    state = loop.init(key=jax.random.key(0))
    state, *_ = loop.blocks(state, 1, learn=True)  # five steps each
    assert int(state.progress.episode) == 1
    assert state.memory.memory.tolist() == [True, False]
    state, records, _ = loop.blocks(copied(state), 1, learn=True)
    assert [host.resets for host in hosts] == [2, 4]
    assert int(state.progress.episode) == 3, "one was cut short, and the short one ended again"
    assert state.memory.progress.episode.tolist() == [1, 52]
    # the guide took over after the first cost of the new episodes, not before
    assert np.asarray(records.episode.interventions)[::2].tolist() == [0, 1, 2, 3, 4]


def test_only_an_episode_that_was_under_way_is_concluded():
    """Concluding one draws a new coin for the next; the copy that had ended keeps its coin."""
    guide = OnVectors(GaussianPolicy(3, 2, (4,), key=jax.random.key(9)))
    loop = HostLoop(
        HostCopies([Fleeting(), Short()]),
        sac(train_every=10),
        linear_decay(Policy(Sampled(guide))),
        100,
    )
    state, _ = run(loop, plan=((1, False),))
    again = loop._entered(copied(state))
    coins = [np.asarray(s.memory.memory["coin"]) for s in (state, again)]
    assert (coins[0] == coins[1]).tolist() == [False, True]
    assert again.memory.progress.so_far.steps.tolist() == [0, 0]


def test_rows_of_a_run(tmp_path):
    """One for each episode, at the step of the run that ended it; sums are the episode's."""
    execute(four(), tmp_path, {}, seed=0, summarise=lambda state: {})
    rows = read_table(tmp_path / "episodes.csv")
    waves = TOTAL // len(LENGTHS)
    expected = sorted(
        (4 * wave + copy + 1, length)
        for copy, length in enumerate(LENGTHS)
        for wave in range(length - 1, waves, length)
    )
    assert list(zip(rows["step"], rows["length"], strict=True)) == expected
    assert set(rows["cost"][rows["length"] > 4]) == {2.0} and set(rows["return"] < 0) == {True}


@pytest.mark.parametrize(
    ("copies", "total", "message"),
    [
        (3, 60, "3 environments side by side, and the agent's block is 20 steps; .* multiple of 3"),
        (4, 90, "4 environments side by side, and the whole run is 90 steps"),
    ],
)
def test_a_block_and_a_run_are_whole_waves(copies, total, message):
    with pytest.raises(HandrailError, match=message):
        HostLoop(HostCopies([OnHost(Toy(True))] * copies), sac(), none(), total)
