"""Weak actuators, delays, disturbances and noise: against naive twins, compiled and on the host."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions, DiscreteActions
from handrail.envs.changes import Changes
from handrail.envs.host_copies import HostCopies
from handrail.envs.perturbations import HELD, Delay, perturbations_of
from handrail.envs.perturbed import HostPerturbed, perturbed
from tests.envs.on_host import OnHost

KEY, STEPS = jax.random.key(4), 70
ACTIONS = np.random.default_rng(0).uniform(-1.5, 1.5, (STEPS, 2)).astype(np.float32)
SCALES = {"speed": 10.0}


class Echo(AbstractEnvironment):
    """What is executed is observed: `speed`, 100 times as large, and rewarded by its sum."""

    actions: ActionSpace = BoxActions(2)
    episode_length: int = eqx.field(static=True, default=100)

    def reset(self, *, key):
        zero = jnp.zeros(2)
        return jnp.int32(0), {"executed": zero, "speed": 100 * zero}

    def step(self, state, action, *, key):
        no, cost = jnp.array(False), jnp.float32(0)
        seen = {"executed": action, "speed": 100 * action}
        return state + 1, Timestep(seen, jnp.sum(action), cost, no, state + 1 >= 100)


class Numbered(Echo):
    actions: ActionSpace = DiscreteActions(3)


def driven(environment):
    """Executed actions and speeds as they are seen, and the rewards, from the first reset."""
    state, seen = environment.reset(key=KEY)
    rows = [(seen, 0.0)]
    step = jax.jit(lambda state, action: environment.step(state, action, key=KEY))
    for action in ACTIONS:
        state, timestep = step(state, action)
        rows.append((timestep.observation, timestep.reward))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def driven_on_host(host):
    rows = [(host.reset(key=KEY), 0.0)]
    for action in ACTIONS:
        timestep = host.step(action, key=KEY)
        rows.append((timestep.observation, timestep.reward))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def naive(changes):
    """What is executed at every step, in NumPy."""
    key, done, queue = stream(KEY, "perturbed"), [], [np.zeros(2, np.float32)] * changes.delay
    for step, action in enumerate(ACTIONS):
        if changes.disturbance:
            held = stream(key, "disturbance", step // HELD)
            other = np.asarray(jax.random.uniform(held, (2,), minval=-1, maxval=1))
            kept = 1 - changes.disturbance
            action = kept * np.clip(action, -1, 1) + changes.disturbance * other
        queue.append(action)
        action = queue.pop(0)
        if changes.gain != 1:
            action = np.clip(changes.gain * np.clip(action, -1, 1), -1, 1)
        done.append(action)
    return np.array(done)


@pytest.mark.parametrize(
    "changes",
    [
        Changes(delay=3),
        Changes(gain=0.6),
        Changes(disturbance=0.2),
        Changes(gain=1.5, delay=1, disturbance=1.0),
    ],
    ids=lambda changes: changes.words,
)
def test_actions_against_a_naive_twin_compiled_and_on_the_host(changes):
    parts = perturbations_of(changes, scales={}, gain=True)
    (seen, rewards), expected = driven(perturbed(Echo(), parts)), naive(changes)
    np.testing.assert_allclose(seen["executed"][1:], expected, atol=1e-6)
    np.testing.assert_allclose(rewards[1:], expected.sum(axis=1), atol=1e-5)
    again, _ = driven_on_host(perturbed(OnHost(Echo()), parts))
    np.testing.assert_allclose(again["executed"], seen["executed"], atol=1e-6)
    assert not np.allclose(seen["executed"][1:], ACTIONS, atol=0.05)


def test_noise_has_the_scale_of_its_part_and_leaves_rewards_alone():
    parts = perturbations_of(Changes(noise=0.1), scales=SCALES)
    seen, rewards = driven(perturbed(Echo(), parts))
    errors = {
        "executed": seen["executed"][1:] - ACTIONS, "speed": seen["speed"][1:] - 100 * ACTIONS
    }  # fmt: skip
    for name, scale in (("executed", 0.1), ("speed", 1.0)):
        assert np.std(errors[name]) == pytest.approx(scale, rel=0.2)
        assert abs(np.mean(errors[name])) < 0.3 * scale
    assert abs(np.corrcoef(errors["executed"].ravel(), errors["speed"].ravel())[0, 1]) < 0.3
    np.testing.assert_allclose(rewards[1:], ACTIONS.sum(axis=1), atol=1e-5)
    assert seen["executed"][0].any()  # the first observation is noisy, too
    again, _ = driven_on_host(perturbed(OnHost(Echo()), parts))
    for name, values in seen.items():
        np.testing.assert_allclose(again[name], values, atol=1e-5)


def test_a_delay_may_be_an_array():
    for steps in (0, 2):
        seen, _ = driven(perturbed(Echo(), [Delay(jnp.int32(steps), 4)]))
        np.testing.assert_array_equal(seen["executed"][1 + steps :], ACTIONS[: STEPS - steps])
        assert not seen["executed"][1 : 1 + steps].any()


def test_nothing_changed_is_the_environment_itself():
    echo = Echo()
    assert perturbed(echo, perturbations_of(Changes(), scales=SCALES, gain=True)) is echo
    # a gain that the physics know is none of the actions'
    assert perturbations_of(Changes(mass=2, gain=0.5), scales={}) == ()


def test_a_saved_episode_goes_on_exactly():
    parts = perturbations_of(Changes(noise=0.1, delay=2, disturbance=0.5), scales={})
    host, other = (HostPerturbed(OnHost(Echo()), parts) for _ in range(2))
    host.reset(key=KEY)
    for action in ACTIONS[:10]:
        last = host.step(action, key=KEY)
    saved = host.snapshot()
    other.reset(key=jax.random.key(9))
    restored = other.restore(saved)
    for name, values in last.observation.items():
        np.testing.assert_array_equal(values, restored[name])
    for action in ACTIONS[10:15]:
        one, two = (each.step(action, key=KEY) for each in (host, other))
        for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_what_does_not_fit_is_refused():
    delay, noise = (
        perturbations_of(changes, scales={}) for changes in (Changes(delay=1), Changes(noise=1))
    )
    with pytest.raises(HandrailError, match="for real actions, but there are 3 discrete ones"):
        perturbed(Numbered(), delay)
    with pytest.raises(HandrailError, match="build a single one, not a vector"):
        perturbed(HostCopies([OnHost(Echo())]), delay)
    with pytest.raises(HandrailError, match="noise is for real numbers, but rows is of int32"):
        noise[0].observe({"rows": jnp.int32(3)}, jnp.int32(0), KEY)
