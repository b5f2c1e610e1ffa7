"""The compiled loop over several environments against the one on the host."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions
from handrail.envs.host_copies import HostCopies
from handrail.interventions.recipes import none
from handrail.learners.onpolicy.agent import OnPolicyAgent
from handrail.train.loops import make_loop
from handrail.train.vector import VectorLoop
from tests.envs.on_host import OnHost

COPIES, BLOCK = 3, 12


class Uneven(AbstractEnvironment):
    """A random walk whose episodes end by themselves or, after five steps, by time."""

    episode_length: int = eqx.field(static=True, default=5)
    actions: ActionSpace = BoxActions(1)

    def reset(self, *, key):
        at = jax.random.uniform(key, (1,))
        return (at, jnp.int32(0)), at

    def step(self, state, action, *, key):
        at = state[0] + 0.1 * action + 0.3 * jax.random.normal(key, (1,))
        count = state[1] + 1
        cost = (at[0] < 0).astype(jnp.float32)
        over = jnp.abs(at[0]) > 1
        return (at, count), Timestep(at, at[0], cost, over, (count >= 5) & ~over)


def agent(**options):
    chosen = {"environments": COPIES, "hidden": (4,), "train_every": BLOCK, "minibatch": 6}
    return OnPolicyAgent(**{**chosen, "value_passes": 1, "limit": 1.0, "limit_steps": 5, **options})


@pytest.fixture(scope="module")
def loop():
    return VectorLoop(Uneven(), agent(), none(), 10 * BLOCK, COPIES)


@pytest.fixture(scope="module")
def ran(loop):
    """State, records and metrics after four blocks."""
    return loop.blocks(loop.init(key=jax.random.key(1)), 4, learn=True)


def test_it_steps_and_learns_as_the_loop_on_the_host(ran):
    hosts = HostCopies([OnHost(Uneven()) for _ in range(COPIES)])
    other = make_loop(hosts, agent(), none(), 10 * BLOCK, copies=COPIES)
    state, records, metrics = other.blocks(other.init(key=jax.random.key(1)), 4, learn=True)
    mine, own_records, own_metrics = ran
    assert (np.asarray(records.ended) == np.asarray(own_records.ended)).all()
    assert np.asarray(records.ended).sum() > 8
    for one, two in zip(
        jax.tree.leaves((records.episode, metrics, state.agent, state.progress)),
        jax.tree.leaves((own_records.episode, own_metrics, mine.agent, mine.progress)),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, rtol=2e-3, atol=2e-4)


def test_steps_are_handed_over_environment_by_environment(ran):
    """In each column of the batch a step begins where the last one led to, or a fresh episode."""
    batch = jax.tree.map(
        lambda leaf: np.asarray(leaf).reshape(-1, COPIES, *leaf.shape[1:]), ran[0].agent.batch.items
    )
    goes_on = ~(batch.terminated | batch.truncated)[:-1]
    same = (batch.observation[1:] == batch.next_observation[:-1])[..., 0]
    assert (same == goes_on).all() and goes_on.any() and not goes_on.all()


def test_blocks_that_the_environments_cannot_share_are_refused():
    with pytest.raises(HandrailError, match=r"3 environments .* block is 10 steps"):
        VectorLoop(Uneven(), agent(train_every=10, environments=1), none(), 100, COPIES)
    with pytest.raises(HandrailError, match="a batch of 12 steps in 5 environments"):
        agent(environments=5)
    with pytest.raises(HandrailError, match="learns late"):
        hosts = HostCopies([OnHost(Uneven())])
        make_loop(hosts, agent(environments=1), none(), 100 * BLOCK, delayed=True)
