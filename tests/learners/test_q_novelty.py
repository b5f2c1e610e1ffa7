"""A bonus for states that were seldom visited: its numbers, and a goal that chance misses."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, DiscreteActions
from handrail.interventions.recipes import none
from handrail.learners.q.agent import Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.novelty import Novelty, SimHash, TableRow, rewarded
from handrail.learners.q.values import OnFrames, Tabulated
from handrail.methods.contrastive.agents import latent_learner
from handrail.methods.contrastive.settings import QLearning, StudentSettings
from handrail.methods.contrastive.student import student_agent
from handrail.methods.contrastive.table import METHODS
from handrail.networks.mlp import MLP
from handrail.replay.ring import Ring
from handrail.tasks.lava.family import LAVA
from handrail.tasks.lava.problems import student_problem
from handrail.tasks.lava.settings import LavaRun
from handrail.tasks.registry import with_defaults
from handrail.train.compiled import Loop
from handrail.train.step import example_transition

LENGTH = 14


class Corridor(AbstractEnvironment):
    """Action 1 goes a step further, action 0 back to the start; the end earns 1."""

    actions: DiscreteActions = DiscreteActions(2)
    episode_length: int = eqx.field(default=LENGTH, static=True)

    def reset(self, *, key):
        return (jnp.int32(0), jnp.int32(0)), jnp.int32(0)

    def step(self, state, action, *, key):
        place, steps = state
        after = jnp.where(action == 1, place + 1, 0)
        arrived = after == LENGTH
        late = steps + 1 >= self.episode_length
        reward = arrived.astype(jnp.float32)
        seen = jnp.minimum(after, LENGTH)
        step = Timestep(seen, reward, jnp.float32(0), arrived, late & ~arrived)
        return (after, steps + 1), step


@eqx.filter_jit
def best_value(novelty: Novelty | None) -> jax.Array:
    """The value of the start after 6,000 steps."""
    agent = QAgent(
        loss=TDLoss(Tabulated(OnFrames(jnp.eye(LENGTH))), discount=0.95),
        make_network=partial(MLP, (LENGTH, 2)),
        optimizer=optax.adam(0.02),
        replay=Ring(2_000),
        exploration=Exploration(start=1.0, end=0.05, fraction=0.5),
        actions=2,
        train_every=2,
        batch=32,
        target_every=20,
        learning_starts=100,
        novelty=novelty,
    )
    loop = Loop(Corridor(), agent, none(), total=6_000)
    state = loop.init(key=jax.random.key(0))
    state, _, _ = loop.blocks(state, 50, learn=False)
    state, _, _ = loop.blocks(state, 2_950, learn=True)
    return jnp.max(state.agent.network(jnp.eye(LENGTH)[0]))


def test_a_goal_that_chance_never_reaches_is_found():
    found = best_value(Novelty(0.1, LENGTH + 1, TableRow()))
    assert found > 0.4  # 0.95 ** 13 is 0.51
    assert best_value(None) < 0.1  # the negative arm


def transitions(places, cost):
    example = example_transition(
        jnp.int32(0),
        jnp.int32(0),
        Timestep(jnp.int32(0), *map(jnp.float32, (0, 0)), *[jnp.array(False)] * 2),
    )
    return jax.vmap(
        lambda place, cost: eqx.tree_at(
            lambda t: (t.next_observation, t.reward, t.cost), example, (place, 1.0 + 0 * cost, cost)
        )
    )(jnp.array(places), jnp.array(cost, jnp.float32))


def test_the_bonus_is_one_over_the_root_of_the_visits_and_none_where_a_step_costs():
    novelty = Novelty(0.5, 4, TableRow())
    counts = novelty.init()
    batch = transitions([0, 0, 0, 0, 3], [0] * 5)
    for i in range(5):
        counts = novelty.count(counts, jax.tree.map(lambda leaf, i=i: leaf[i], batch))
    np.testing.assert_array_equal(counts, [4, 0, 0, 1])
    asked = transitions([0, 3, 2, 3], [0, 0, 0, 1])
    np.testing.assert_allclose(
        rewarded(novelty, counts, asked).reward, [1.25, 1.5, 1.5, 1.0], rtol=1e-6
    )
    assert rewarded(None, None, asked) is asked


def test_vectors_are_hashed_by_direction_and_parts_are_read():
    hashed = SimHash.fresh(3, bits=10)
    rng = np.random.default_rng(1)
    vectors = jnp.asarray(rng.normal(size=(200, 3)), jnp.float32)
    kinds = jax.vmap(hashed)(vectors)
    assert len(np.unique(kinds)) > 20 and kinds.min() >= 0 and kinds.max() < 2**10
    np.testing.assert_array_equal(jax.vmap(hashed)(2 * vectors), kinds)
    parts = {"a": vectors[0, :1], "b": vectors[0, 1:]}
    assert hashed(parts) == kinds[0]


@pytest.mark.parametrize("method", ["ae", "vae"])
@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"novelty": 0.1}, r"learning\.novelty is 0\.1: agents on an auto-enc"),
        ({"takeover_ends": True}, r"learning\.takeover_ends is true, but agents on an auto-enc"),
    ],
)
def test_agents_on_a_latent_refuse_what_they_do_not_do(method, own, message):
    problem = student_problem(LavaRun(), "egocentric")
    settings = StudentSettings(learning=QLearning(**own))
    with pytest.raises(HandrailError, match=message):
        latent_learner(problem, settings, variational=method == "vae")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_lava_can_be_built_from_its_defaults(method):
    chosen = with_defaults({"environment": "LavaCrossingS9N1", "method": method}, {})
    run = LAVA.resolve(chosen).run
    student_agent(student_problem(run, "egocentric"), METHODS[method], run)
    assert run.learning.novelty == (0.0 if method in ("ae", "vae") else 0.06)
