"""The host loop takes the compiled loop's decisions and stores its transitions.

Bit for bit as long as the parameters are the same. Compiling an update by itself instead of in
the middle of a scan may round it differently in the last digit: SAC's does on every processor,
lava's on some. Lava's decisions do not follow from a last digit, so its transitions are the same.
"""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.host import AbstractHostEnvironment, HostTimestep
from handrail.interventions.recipes import control_switch, none
from handrail.interventions.substitutes import Policy
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.networks.gaussian import GaussianPolicy
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop
from handrail.train.host import HostLoop
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import LENGTH, Toy
from tests.train.small import small_loop

pytestmark = pytest.mark.optimized  # bit for bit

BLOCK = 20


def sac(**options) -> SacAgent:
    settings = {
        "hidden": (4,),
        "batch": 8,
        "train_every": BLOCK,
        "updates": 2,
        "learning_starts": 40,
    }
    return SacAgent(**{"replay": Ring(500), **settings, **options})


def guided():
    """The toy task under a guide that takes over after an episode's first cost."""
    guide = OnVectors(GaussianPolicy(5, 2, (4,), key=jax.random.key(9)))
    return Toy(True), sac(guide=guide), control_switch(Policy(Sampled(guide)))


def lava():
    """Discrete actions, prioritized replay, and a trigger that remembers."""
    loop = small_loop()
    agent = dataclasses.replace(loop.agent, learning_starts=40)
    return loop.environment, agent, loop.intervention


def stored(state):
    """The transitions in memory; a prioritized one keeps them in a ring of its own."""
    replay = state.agent.replay
    return getattr(replay, "ring", replay).items


@functools.cache
def both(make, *, delayed: bool, total: int = 4_000):
    """Compiled once for all tests."""
    parts = make()
    compiled = Loop(*parts, total, delayed=delayed)
    return compiled, HostLoop(OnHost(parts[0]), *parts[1:], total, delayed=delayed)


def run(loop, *, seed=0, plan=((2, False), (4, True))):
    """The state, and the records and metrics of every chunk."""
    state, seen = loop.init(key=jax.random.key(seed)), []
    for count, learn in plan:
        state, *rest = loop.blocks(state, count, learn=learn)
        seen.append(rest)
    return state, seen


def assert_same(left, right, **tolerance):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(left), jax.tree.leaves(right), strict=True
    ):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        name, a, b = jax.tree_util.keystr(path), np.asarray(a), np.asarray(b)
        if tolerance and a.dtype == np.float32:
            np.testing.assert_allclose(a, b, err_msg=name, **tolerance)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def learnt(state):
    """All of a state but the environment, which the loops keep differently."""
    return dataclasses.replace(state, environment=None)


ROUNDED, LAST_DIGIT = {"rtol": 1e-4, "atol": 1e-6}, {"rtol": 1e-6, "atol": 1e-8}


@pytest.mark.parametrize(
    ("make", "delayed", "done", "learning"),
    [
        (guided, False, ROUNDED, ROUNDED),
        (guided, True, ROUNDED, ROUNDED),
        (lava, True, {}, LAST_DIGIT),
    ],
    ids=["prompt", "delayed", "lava, delayed"],
)
def test_both_loops_are_the_same(make, delayed, done, learning):
    """Decisions, stored transitions, memories, records, metrics: all that a run leaves."""
    compiled, host = both(make, delayed=delayed)
    (one, seen), (other, measured) = run(compiled), run(host)
    assert_same(seen[0], measured[0])  # nothing learnt yet
    for ours, theirs, tolerance in zip(seen[1], measured[1], (done, learning), strict=True):
        assert_same(ours, theirs, **tolerance)  # records, metrics
    assert_same(learnt(one), learnt(other), **learning)
    assert_same(stored(one), stored(other), **done)
    assert int(one.progress.episode) > 3
    _, metrics = seen[-1]
    name = "sac/updates" if make is guided else "losses/td"
    assert (np.asarray(metrics[name]) > 0).all()


def test_a_guide_intervenes_on_the_host_too():
    state, _ = run(both(guided, delayed=True)[1])
    assert 0 < int(state.progress.interventions) < int(state.progress.step)


def test_learning_late_acts_with_the_parameters_from_before_the_last_block():
    """A block is acted on with what was learnt until its predecessor began."""
    for count in (1, 2):
        plan = ((2, False), *[(1, True)] * count)
        prompt, late = (run(both(guided, delayed=d)[1], plan=plan)[0] for d in (False, True))
        last = slice((count + 1) * BLOCK, (count + 2) * BLOCK)
        acted = np.asarray(prompt.agent.replay.items.action[last])
        # nothing has been learnt from when the first learning block begins: both act alike;
        # the prompt loop acts on the next one with new parameters, the delayed one with the old
        assert np.array_equal(acted, late.pending.action) == (count == 1)
        # what is in flight belongs to the last block alone
        assert int(late.agent.replay.added) == last.start


def test_chunks_do_not_matter_and_a_run_is_repeated_exactly():
    host = both(guided, delayed=True)[1]
    whole, _ = run(host, plan=((2, False), (6, True)))
    parts, _ = run(host, plan=((1, False), (1, False), (2, True), (4, True)))
    assert_same(whole, parts)
    other, _ = run(host, seed=1, plan=((2, False), (6, True)))
    assert not np.array_equal(whole.agent.replay.items.action, other.agent.replay.items.action)


def copied(state):
    """A state that survives its use, as one that was read from a file would."""
    return jax.tree.map(lambda x: x.copy(), state)


def test_any_state_goes_on_from_where_it_was():
    host = both(guided, delayed=True)[1]
    middle, _ = run(host, plan=((2, False), (1, True)))
    kept = copied(middle)
    first, *_ = host.blocks(middle, 3, learn=True)
    host.blocks(copied(first), 1, learn=True)  # the environment moves on
    again, *_ = host.blocks(kept, 3, learn=True)
    assert_same(first, again)


def test_nothing_is_traced_twice():
    traced = []

    class Counted(SacAgent):
        def annotate(self, policy_snapshot, context, decision):
            traced.append("complete")
            return SacAgent.annotate(self, policy_snapshot, context, decision)

        def learn(self, state, policy_snapshot, clock, *, key):
            traced.append("learn")
            return SacAgent.learn(self, state, policy_snapshot, clock, key=key)

    inner = sac()
    fields = {f.name: getattr(inner, f.name) for f in dataclasses.fields(inner)}
    host = HostLoop(OnHost(Toy(True)), Counted(**fields), none(), 4_000, delayed=True)
    state = host.init(key=jax.random.key(0))
    for count, learn in ((2, False), (2, True)):
        state, *_ = host.blocks(state, count, learn=learn)
    before = list(traced)
    assert before.count("learn") == 1
    for _ in range(3):
        state, *_ = host.blocks(state, 2, learn=True)
    assert traced == before


class Fleeting(AbstractHostEnvironment):
    """Counts its steps in NumPy and cannot be saved."""

    def __init__(self):
        self.actions, self.inner = Toy(True).actions, OnHost(Toy(True))
        self.resets = 0

    def reset(self, *, key):
        self.resets, self.steps = self.resets + 1, 0
        return {"place": np.zeros(2), "steps": np.zeros(1)}

    def step(self, action, *, key):
        assert isinstance(action, np.ndarray)
        self.steps += 1
        return HostTimestep(
            observation={"place": np.array(action, np.float64), "steps": np.ones(1) * self.steps},
            reward=np.float64(1.0),
            cost=np.float32(self.steps == 1),
            terminated=np.bool_(False),
            truncated=np.bool_(self.steps >= LENGTH),
        )

    def snapshot(self):
        return None

    def restore(self, snapshot):
        raise AssertionError("there is nothing to restore")


def test_an_episode_that_cannot_be_saved_begins_anew():
    """The trigger forgets the lost episode, and the sums of the new one begin at 0."""
    guide = OnVectors(GaussianPolicy(3, 2, (4,), key=jax.random.key(9)))
    environment = Fleeting()
    agent = sac(train_every=5, learning_starts=5)
    host = HostLoop(environment, agent, control_switch(Policy(Sampled(guide))), 100)
    state = host.init(key=jax.random.key(0))
    state, *_ = host.blocks(state, 3, learn=True)  # in the middle of the second episode
    stored = np.asarray(state.agent.replay.items.next_observation["steps"][:15, 0])
    assert stored.tolist() == [*range(1, 11), *range(1, 6)]
    assert environment.resets == 2
    live, *_ = host.blocks(copied_but_here(state), 1, learn=True)
    assert (environment.resets, int(live.progress.episode)) == (3, 2), "it went on"
    again, records, _ = host.blocks(copied(live), 1, learn=True)
    assert environment.resets == 4
    assert int(again.progress.so_far.steps) == 5
    # the guide took over after the first cost of the new episode, not before
    assert np.asarray(records.episode.interventions).tolist() == [0, 1, 2, 3, 4]


def copied_but_here(state):
    return dataclasses.replace(copied(state), environment=state.environment)


def test_learning_late_needs_something_to_learn_from():
    with pytest.raises(HandrailError, match="learning_starts is 0, less than a block of 20"):
        HostLoop(OnHost(Toy(True)), sac(learning_starts=0), none(), 100, delayed=True)
    with pytest.raises(HandrailError, match="nothing to learn from in the first block"):
        Loop(Toy(True), sac(learning_starts=0), none(), 100, delayed=True)


def test_an_environment_that_fails_stops_the_run():
    class Broken(Fleeting):
        def step(self, action, *, key):
            if self.resets == 5:
                raise RuntimeError("broken")
            return Fleeting.step(self, action, key=key)

    host = HostLoop(Broken(), sac(), none(), 400, delayed=True)
    state = host.init(key=jax.random.key(0))
    state, *_ = host.blocks(state, 2, learn=False)
    with pytest.raises(RuntimeError, match="broken"):
        host.blocks(state, 2, learn=True)


def test_frozen_arrays_are_no_constants():
    """A guide's parameters are arguments of the compiled calls, so replacing them has effect."""
    _, host = both(guided, delayed=False)
    leaves = jax.tree.leaves(eqx.filter(host.agent, eqx.is_array))
    assert len(leaves) > 0
    assert all(any(leaf is given for given in jax.tree.leaves(host._arrays)) for leaf in leaves)
