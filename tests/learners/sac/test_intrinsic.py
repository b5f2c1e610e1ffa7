"""The learner's own rewards: which parts count, where they enter, and that they spread visits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Timestep, Transition
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions
from handrail.equations.entropy_bonus import entropy_bonus
from handrail.interventions.recipes import none
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.intrinsic import NeighbourEntropy, NoIntrinsic, RandomNetwork
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop

BATCH = 8


def batch_of(observations) -> Transition:
    """Transitions that reached these observations, without reward or cost."""
    no, zero = jnp.array(False), jnp.zeros(())

    def one(seen):
        action = jnp.zeros(1)
        return Transition(
            observation=seen, proposed=action, action=action, reward=zero, cost=zero,
            next_observation=seen, terminated=no, truncated=no, intervened=no,
            weight=zero + 1, extras={},
        )  # fmt: skip

    return jax.vmap(one)(observations)


def named():
    keys = jax.random.split(jax.random.key(0))
    return {
        "lidar": jax.random.uniform(keys[0], (BATCH, 3)),
        "noise": jax.random.normal(keys[1], (BATCH, 2)),
    }


def test_only_the_declared_parts_count():
    seen = named()
    expected = jax.vmap(lambda x: 2.0 * entropy_bonus(x, seen["lidar"], 3))(seen["lidar"])
    given = NeighbourEntropy(("lidar",), scale=2.0)(batch_of(seen))
    np.testing.assert_allclose(given, expected, rtol=1e-6)
    shaken = {**seen, "noise": 100 * seen["noise"]}
    np.testing.assert_array_equal(NeighbourEntropy(("lidar",), scale=2.0)(batch_of(shaken)), given)
    both = jnp.concatenate([seen["lidar"], seen["noise"]], axis=1)
    expected = jax.vmap(lambda x: entropy_bonus(x, both, 3))(both)
    np.testing.assert_allclose(NeighbourEntropy()(batch_of(seen)), expected, rtol=1e-6)


@pytest.mark.parametrize("seen", [named(), jnp.zeros((BATCH, 2))], ids=["named", "one array"])
def test_a_part_that_is_not_there_is_named(seen):
    with pytest.raises(HandrailError, match="counts the part 'radar', but the observation has"):
        NeighbourEntropy(("radar",))(batch_of(seen))
    with pytest.raises(HandrailError, match="counts the part 'radar', but the observation has"):
        RandomNetwork.of(3, ("radar",), key=jax.random.key(0))(batch_of(seen))


def test_it_is_the_reward_that_the_critics_see_and_nothing_else():
    """An update with the bonus equals one without it on rewards that contain it already."""
    seen = jax.random.normal(jax.random.key(1), (BATCH, 3))
    batch = batch_of(seen)
    bonus = NeighbourEntropy()
    paid = eqx.tree_at(lambda b: b.reward, batch, bonus(batch))
    plain, curious = SacLagrangian(), SacLagrangian(intrinsic=bonus)
    start = plain.init(3, 1, (4,), key=jax.random.key(2))
    first, metrics = curious.update(start, batch, jnp.float32(0), key=jax.random.key(3))
    second, _ = plain.update(start, paid, jnp.float32(0), key=jax.random.key(3))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert metrics["sac/bonus"] == pytest.approx(float(bonus(batch).mean()), rel=1e-5)
    assert not NoIntrinsic()(batch).any()


def taught(learner: SacLagrangian, seen, updates: int):
    """The state after so many updates from these observations alone."""
    state = learner.init(seen.shape[1], 1, (4,), key=jax.random.key(2))
    update = eqx.filter_jit(learner.update)
    for number in range(updates):
        state, _ = update(state, batch_of(seen), jnp.float32(0), key=jax.random.key(number))
    return state


def test_a_random_network_pays_for_what_it_was_not_taught():
    keys = jax.random.split(jax.random.key(1))
    known = jax.random.uniform(keys[0], (BATCH, 3))
    unknown = 2 + jax.random.uniform(keys[1], (BATCH, 3))
    bonus = RandomNetwork.of(3, key=jax.random.key(5))
    both = batch_of(jnp.concatenate([known, unknown]))
    learnt = taught(SacLagrangian(intrinsic=bonus), known, 400).parameters.intrinsic
    before, after = bonus(both, bonus.initial()), bonus(both, learnt)
    assert float(bonus.loss(learnt, batch_of(known))) < 0.05 * float(
        bonus.loss(bonus.initial(), batch_of(known))
    )
    assert after[:BATCH].max() < 0.3 < 1 < after[BATCH:].min()
    assert before[:BATCH].mean() > 0.3
    assert before.mean() == pytest.approx(1, abs=1e-5)  # in multiples of the mean error


def test_a_random_network_counts_the_declared_parts_alone():
    seen = named()
    bonus = RandomNetwork.of(3, ("lidar",), key=jax.random.key(5))
    shaken = {**seen, "noise": 100 * seen["noise"]}
    np.testing.assert_array_equal(bonus(batch_of(shaken)), bonus(batch_of(seen)))
    bare = RandomNetwork(bonus.target, bonus.learner)
    np.testing.assert_array_equal(bare(batch_of(seen["lidar"])), bonus(batch_of(seen)))


def test_a_random_network_changes_nothing_but_rewards():
    """Beside its own network an update is that without it on rewards that contain the bonus."""
    seen = jax.random.normal(jax.random.key(1), (BATCH, 3))
    batch = batch_of(seen)
    bonus = RandomNetwork.of(3, key=jax.random.key(5))
    paid = eqx.tree_at(lambda b: b.reward, batch, bonus(batch))
    plain, curious = SacLagrangian(), SacLagrangian(intrinsic=bonus)
    key = jax.random.key(2)
    first, metrics = curious.update(
        curious.init(3, 1, (4,), key=key), batch, jnp.float32(0), key=key
    )
    second, _ = plain.update(plain.init(3, 1, (4,), key=key), paid, jnp.float32(0), key=key)
    moved = first.parameters.intrinsic
    assert second.parameters.intrinsic is None
    without = eqx.tree_at(lambda p: p.intrinsic, first.parameters, None)
    for a, b in zip(jax.tree.leaves(without), jax.tree.leaves(second.parameters), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(bonus.initial()), strict=True):
        assert (a != b).any()
    assert metrics["sac/bonus"] == pytest.approx(1, abs=1e-5)


class Field(AbstractEnvironment):
    """A point in a square, from its centre, for 60 steps; no reward anywhere."""

    episode_length: int = eqx.field(static=True, default=60)
    actions: ActionSpace = BoxActions(2)

    def reset(self, *, key):
        place = jnp.zeros(2)
        return (place, jnp.int32(0)), place

    def step(self, state, action, *, key):
        place = jnp.clip(state[0] + 0.05 * action, -1, 1)
        zero = jnp.zeros(())
        ended = state[1] + 1 >= self.episode_length
        timestep = Timestep(place, zero, zero, jnp.array(False), ended)
        return (place, state[1] + 1), timestep


def visited(intrinsic) -> int:
    """Cells of a ten by ten grid that the second half of training visits."""
    learner = SacLagrangian(
        entropy=FixedEntropy(0.1), discount=0.95, damping_scale=0.0, intrinsic=intrinsic
    )
    agent = SacAgent(
        learner=learner, replay=Ring(4_000), hidden=(32, 32), batch=32, train_every=100, updates=50,
        learning_starts=500,
    )  # fmt: skip
    loop = Loop(Field(), agent, none(), 6_000)
    state, _, _ = loop.blocks(loop.init(key=jax.random.key(4)), 5, learn=False)
    state, _, _ = loop.blocks(state, 55, learn=True)
    places = np.asarray(state.agent.replay.items.next_observation)
    cells = np.clip(np.floor(5 * (places + 1)), 0, 9).astype(int)
    return len(set(map(tuple, cells)))


def test_the_bonus_makes_an_agent_cover_more_of_a_field():
    without = visited(NoIntrinsic())
    assert visited(NeighbourEntropy()) > 2 * without
    assert visited(RandomNetwork.of(2, key=jax.random.key(5))) > 1.5 * without
