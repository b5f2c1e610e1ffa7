"""Roll-outs, compiled and on the host: one decision, one intervention, the same episodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.rng import stream
from handrail.envs.base import BoxActions
from handrail.envs.host_copies import HostCopies
from handrail.interventions.base import Intervention
from handrail.interventions.triggers import AfterFirstCost, FromStep
from handrail.train.rollout.base import EpisodePolicy, RandomActions
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import COSTLY, LENGTH, Toy

KEYS = jax.random.split(jax.random.key(2), 5)
RANDOM = RandomActions(BoxActions(2), 3, "held")


def back(observation, key):
    """Somewhat random, and a matter of what is seen."""
    return -0.5 * observation["place"] + 0.1 * jax.random.normal(key, (2,)), {}


def after_first_cost(key, number):
    return Intervention(AfterFirstCost(), EpisodePolicy(back, "averted", key))


def late(key, number):
    return Intervention(FromStep(number), EpisodePolicy(back, "averted", key))


def recorded(key, context, decision):
    return context.proposed, decision.action, decision.intervened


def naive(key, takes_over) -> tuple[float, list[np.ndarray]]:
    """Return and actions of an episode, in plain Python; `takes_over(step)` says who acts."""
    environment, total, actions = Toy(True), 0.0, []
    state, observation = environment.reset(key=stream(key, "reset"))
    for step in range(LENGTH):
        held = stream(key, "held", step // 3)
        action = jax.random.uniform(held, (2,), minval=-1, maxval=1)
        if takes_over(step):
            action, _ = back(observation, stream(key, "averted", step))
        state, timestep = environment.step(state, action, key=stream(key, "step", step))
        observation, total = timestep.observation, total + float(timestep.reward)
        actions.append(np.asarray(action))
    return total, actions


@pytest.fixture(scope="module")
def hosts():
    first = OnHost(Toy(True))
    return [first, OnHost(Toy(True)), OnHost(Toy(True))]


@pytest.fixture(scope="module")
def expected():
    after = min(COSTLY) + 1
    return {
        after_first_cost: [naive(key, lambda step: step >= after) for key in KEYS],
        late: [
            naive(key, lambda step, first=number: step >= first) for number, key in enumerate(KEYS)
        ],
    }


@pytest.mark.parametrize("intervention", [after_first_cost, late])
def test_a_compiled_roll_out_is_a_naive_loop(intervention, expected):
    """The trigger remembers within an episode, and an episode has a number."""
    done = jax.jit(
        lambda keys: rollout(Toy(True), RANDOM, intervention, keys=keys, record=recorded)
    )(KEYS)
    for number, (total, actions) in enumerate(expected[intervention]):
        np.testing.assert_allclose(done.returns[number], total, rtol=1e-5)
        np.testing.assert_allclose(done.steps.records[1][number], actions, atol=1e-6)
    assert done.costs.tolist() == [len(COSTLY)] * len(KEYS)
    assert done.lengths.tolist() == [LENGTH] * len(KEYS)
    assert not done.terminated.any() and done.steps.running.all()
    np.testing.assert_array_equal(done.interventions, done.steps.records[2].sum(axis=1))


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("many", ["one", "several", "vector"])
@pytest.mark.parametrize("intervention", [after_first_cost, late])
def test_so_is_one_on_the_host(intervention, many, at_once, hosts, expected):
    """Each episode begins with what the trigger knows at first, whoever sat there before."""
    where = {"one": hosts[0], "several": hosts, "vector": HostCopies(hosts)}[many]
    done = rollout_on_host(where, Compiled(RANDOM, intervention, at_once=at_once), keys=KEYS)
    totals = [total for total, _ in expected[intervention]]
    np.testing.assert_allclose(done.returns, totals, rtol=1e-5)
    assert done.lengths.tolist() == [LENGTH] * len(KEYS)
    taken = {after_first_cost: [LENGTH - 4] * 5, late: [LENGTH - n for n in range(5)]}
    assert done.interventions.tolist() == taken[intervention]


def test_what_is_recorded_on_the_host_is_what_is_recorded_compiled(hosts):
    asked = {"keys": KEYS}
    ours = rollout_on_host(
        hosts, Compiled(RANDOM, late, record=recorded, at_once=True), longest=LENGTH - 2, **asked
    )
    theirs = jax.jit(lambda keys: rollout(Toy(True), RANDOM, late, keys=keys, record=recorded))
    for one, other in zip(ours.steps.records, theirs(KEYS).steps.records, strict=True):
        np.testing.assert_allclose(one, other[:, : LENGTH - 2], atol=1e-6)
    assert ours.steps.running.shape == (len(KEYS), LENGTH - 2)
    assert jnp.all(ours.lengths == LENGTH - 2)
