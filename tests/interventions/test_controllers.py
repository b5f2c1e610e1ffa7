"""Ordinary Python as a controller: what it may give, and in which units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.interventions.on_host import on_host
from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy
from handrail.safe_exploration import SafeExploration
from tests.envs.toys import Walker


class Tensor:
    """What PyTorch gives: NumPy cannot read it before its gradient is left out."""

    def __init__(self, values):
        self.values = np.float32(values)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values

    def __array__(self, *given, **named):
        raise RuntimeError("needs a gradient")


def executed(act, units="environment", condition=lambda context: jnp.array(True)):
    env = SafeExploration(Walker(), shield(condition, Policy(act, units=units)))
    env.reset(seed=0)
    return float(env.step(np.float32([0.0]))[-1]["executed_action"][0])


@pytest.mark.parametrize(
    "act",
    [
        lambda observation: np.float32([3.0]),
        lambda observation, key: (np.float32([3.0]), {}),
        lambda observation: (np.array([3.0]), None),  # as predict of stable-baselines3
        lambda observation, deterministic=True: [3.0],
        lambda observation: Tensor([3.0]),
    ],
)
def test_an_action_in_the_environments_units(act):
    assert executed(on_host(act)) == pytest.approx(3.0)


def test_an_action_in_the_agents_units():
    assert executed(on_host(lambda observation: np.float32([-0.5])), units="agent") == -0.5


def test_it_sees_what_is_observed_and_may_draw_from_its_key():
    seen = []

    def act(observation, key):
        seen.append(observation.copy())
        return np.random.default_rng(key).uniform(-1, 1, 1).astype(np.float32)

    assert executed(on_host(act)) == executed(on_host(act))  # one seed, one draw
    env = Walker()
    assert seen[-1].tolist() == env.reset(seed=0)[0].tolist()


def test_a_predicate_of_another_library():
    truth = on_host(lambda context: Tensor(context.observation[0] > -2))
    assert executed(on_host(lambda o: [3.0]), condition=truth) == pytest.approx(3.0)
    lie = on_host(lambda context: Tensor(context.observation[0] > 2))
    assert executed(on_host(lambda o: [3.0]), condition=lie) == 0.0


@pytest.mark.parametrize("said", [None, "False", object()])
def test_a_predicate_that_says_nothing_is_an_error(said):
    with pytest.raises(HandrailError, match="expected numbers or truths: does it end in `return`"):
        executed(on_host(lambda o: [3.0]), condition=on_host(lambda context: said))


def test_a_number_of_an_action_is_whole():
    number = on_host(lambda observation: 1.9, like=np.int32(0))
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"returned 1\.9; expected whole numbers"):
        number(jnp.zeros(2))


def test_an_action_beyond_the_bounds_or_of_another_shape_is_an_error():
    with pytest.raises(HandrailError, match=r"beyond \[-1, 1\]"):
        executed(on_host(lambda observation: np.float32([5.0])))
    with pytest.raises(HandrailError, match=r"shape \(2,\); expected \(1,\)"):
        executed(on_host(lambda observation: np.float32([1.0, 1.0])))
