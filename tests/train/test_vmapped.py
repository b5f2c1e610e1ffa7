"""Many runs as one program: each is what it would be by itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.lava.make import make_lava
from handrail.interventions.recipes import domain_prior
from handrail.networks.lookup import Lookup
from handrail.train.compiled import Loop
from handrail.train.step_statistics import CheckConfusion
from handrail.train.vmapped import VmappedRuns
from tests.train.small import perfect_prior, small_agent

LEARNING = 20  # blocks


def loops() -> list[Loop]:
    """One whose prior knows lava, and one whose prior knows nothing; then the first again."""
    environment = make_lava("LavaGapS5", layout=1, starts="anywhere")
    agent = small_agent(environment)
    tally = CheckConfusion(environment)
    knows = perfect_prior(environment)
    ignorant = Lookup(jnp.zeros_like(knows.table))
    return [
        Loop(environment, agent, domain_prior(prior, prior_prob=1.0), 2_000, tally)
        for prior in (knows, ignorant, knows)
    ]


def keys(*seeds: int):
    return jax.vmap(jax.random.key)(jnp.array(seeds))


def trained(loop, state):
    """The state and the records of a run that is silent first, and then learns."""
    state, silent, _ = loop.blocks(state, 100, learn=False)
    state, records, metrics = loop.blocks(state, LEARNING, learn=True)
    return state, (silent, records), metrics


def test_each_run_is_what_it_would_be_by_itself():
    runs, each = loops(), keys(3, 3, 5)
    together = VmappedRuns(runs)
    states, records, metrics = trained(together, together.init(each))
    for index, (loop, key) in enumerate(zip(runs, each, strict=True)):
        own = jax.tree.map(lambda leaf, i=index: leaf[i], (states, records, metrics))
        alone = trained(loop, loop.init(key=key))
        exactly = [(s.environment, s.progress, r) for s, r, _ in (own, alone)]
        for a, b in zip(*map(jax.tree.leaves, exactly), strict=True):
            np.testing.assert_array_equal(a, b)
        closely = [(s.agent.network, m) for s, _, m in (own, alone)]
        for a, b in zip(*map(jax.tree.leaves, closely), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    # the negative arm: runs do differ, by what they know and by their seeds
    costs = np.asarray(states.progress.cost)
    assert costs[0] == costs[2] == 0 < costs[1]
    assert not np.array_equal(*np.asarray(records[0].episode.steps)[[0, 2]])


@pytest.mark.parametrize("change", [{"total": 3_000}, {"delayed": True}])
def test_runs_of_another_make_are_refused(change):
    first, *_ = loops()
    with pytest.raises(HandrailError, match="loop 1 is not made like loop 0"):
        VmappedRuns([first, dataclasses.replace(first, **change)])


def test_runs_whose_arrays_have_other_shapes_are_refused():
    first, *_ = loops()
    narrow = Lookup(jnp.zeros((4, 7)))
    other = dataclasses.replace(first, intervention=domain_prior(narrow, prior_prob=1.0))
    with pytest.raises(HandrailError, match="loop 1 is not made like loop 0"):
        VmappedRuns([first, other])


def test_there_is_a_key_for_every_run():
    with pytest.raises(HandrailError, match=r"\(2,\) keys for 3 runs"):
        VmappedRuns(loops()).init(keys(1, 2))
    with pytest.raises(HandrailError, match="at least one"):
        VmappedRuns([])
