"""Compiled environments as agents need them, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Timestep
from handrail.envs.conformance import check_environment
from handrail.envs.jax_libraries.brax import from_brax
from handrail.envs.jax_libraries.own import own_environment
from handrail.envs.registry import make
from tests.envs.compiled_toys import (
    NO,
    Cells,
    Falling,
    Layer,
    Limited,
    MyAutoResetWrapper,
    Track,
)

KEY = jax.random.key(0)


def steps(env, actions):
    """The timesteps of one episode."""
    state, _ = env.reset(key=KEY)
    taken = []
    for action in actions:
        state, timestep = env.step(state, jnp.asarray(action), key=KEY)
        taken.append(jax.tree.map(np.asarray, timestep))
    return taken


def test_observations_are_named_float32_and_actions_are_rescaled():
    env = own_environment(Track())
    assert env.actions.low == -1 and env.action_bounds == {"low": [-2.0], "high": [2.0]}
    shapes = {name: (part.shape, part.dtype) for name, part in env.observation_zeros().items()}
    real = np.dtype(np.float32)
    assert shapes == {
        "clock": ((), real), "seen.place": ((1,), real), "seen.speed": ((), real)
    }  # fmt: skip
    (pushed,) = steps(env, [[1.0]])
    np.testing.assert_allclose(pushed.observation["seen.speed"], 0.1)  # 2 · 0.05
    np.testing.assert_allclose(env.agent_form([1.0]), [0.5])
    only = own_environment(Track(), parts=["seen"])
    assert sorted(only.observation_zeros()) == ["seen.place", "seen.speed"]
    with pytest.raises(HandrailError, match="parts has 'gone'; the observation has clock, seen"):
        own_environment(Track(), parts=["gone"])


def test_the_time_limit_truncates_and_the_goal_terminates():
    ends = [
        (bool(t.terminated), bool(t.truncated)) for t in steps(own_environment(Cells()), [1] * 4)
    ]
    assert ends == [(False, False)] * 3 + [(True, False)]
    late = steps(own_environment(Cells(), episode_length=3), [1, 0, 1])
    assert (bool(late[-1].terminated), bool(late[-1].truncated)) == (False, True)
    both = steps(own_environment(Cells(), episode_length=4), [1] * 4)[-1]
    assert (bool(both.terminated), bool(both.truncated)) == (True, False)


@pytest.mark.parametrize(("cost", "mark"), [(-1.0, -np.inf), (np.inf, np.nan), (np.nan, np.nan)])
def test_costs_that_are_none_are_marked(cost, mark):
    taken = steps(own_environment(Cells(cost=cost)), [0] * 4)
    np.testing.assert_equal(float(taken[3].cost), mark)


def test_brax_states_are_read():
    env = from_brax(Falling(), episode_length=None)
    assert (env.name, env.episode_length, env.actions.size) == ("Falling", 8, 1)
    taken = steps(env, [[-1.0]] * 4)
    assert [float(t.observation[0]) for t in taken] == [-1, -2, -3, -4]
    assert [float(t.cost) for t in taken] == [0, 0, 0, 2]
    assert [bool(t.terminated) for t in taken] == [False] * 3 + [True]


def test_a_function_sees_the_state_before_the_step_as_it_was():
    def cost(state, action, after):
        return 10 * state.info["cost"] + after.info["cost"] + jnp.abs(action[0])

    taken = steps(from_brax(Falling(), cost=cost), [[-1.0]] * 4)
    assert float(taken[-1].cost) == 3  # the step writes into the dictionary of the state before


def test_a_time_limit_of_brax_is_no_end_of_the_task():
    last = steps(from_brax(Limited(Falling())), [[-1.0]] * 3)[-1]
    assert (bool(last.terminated), bool(last.truncated)) == (False, True)
    fallen = steps(from_brax(Limited(Falling()), cost="metrics:harm"), [[-2.0]] * 2)[-1]
    assert (bool(fallen.terminated), bool(fallen.truncated), float(fallen.cost)) == (True, False, 1)


def test_an_auto_reset_around_all_is_taken_off_and_one_within_is_refused():
    env = from_brax(MyAutoResetWrapper(Falling()))
    assert float(steps(env, [[-4.0]])[0].observation[0]) == -4  # not the first one of the next
    with pytest.raises(HandrailError, match="MyAutoResetWrapper is inside of another wrapper"):
        from_brax(Layer(MyAutoResetWrapper(Falling())))


class Repeats(Layer):
    def __init__(self, env):
        super().__init__(env)
        self.action_repeat = 2


class Batched(Falling):
    def reset(self, rng):
        return jax.vmap(super().reset)(jax.random.split(rng, 3))


class Timeless(Falling):
    episode_length = None


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (Falling, {"cost": "info:harm"}, "no cost in 'info:harm'; a step says info:cost, info:rng"),
        (Falling, {"cost": "harm"}, "cost is 'harm': expected 'info:NAME'"),
        (Falling, {"cost": lambda s, a, n: a[None]}, "float32 of shape .1, 1.; expected one"),
        (Falling, {"cost": lambda s, a, n: float(a[0])}, "in ordinary Python"),
        (Falling, {"cost": lambda s, a: 0.0}, "the cost function cannot be compiled: TypeError"),
        (lambda: Repeats(Falling()), {}, "repeats actions 2 times"),
        (Batched, {}, "environments at once"),
        (Timeless, {}, "give from_brax.*episode_length=1000"),
        (object, {}, "which has no reset"),
    ],
)
def test_what_brax_environments_are_refused_for(build, options, message):
    with pytest.raises(HandrailError, match=message):
        from_brax(build(), **options)


class Branches(Cells):
    def step(self, state, action, *, key):
        if action > 0:
            return super().step(state, action, key=key)
        return super().step(state, 1 - action, key=key)


class Drifts(Cells):
    def reset(self, *, key):
        return (jnp.int32(4), jnp.float32(0)), jnp.zeros(9)

    def step(self, state, action, *, key):
        (place, count), timestep = super().step(state, action, key=key)
        return (place, count.astype(jnp.int32)), timestep


class Grows(Cells):
    def step(self, state, action, *, key):
        state, timestep = super().step(state, action, key=key)
        return state, Timestep(jnp.zeros(10), timestep.reward, timestep.cost, NO, NO)


class Bare(Cells):
    def step(self, state, action, *, key):
        return state, jnp.zeros(9), 0.0, False


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (Branches(), "Branches: step uses the value of an array in ordinary Python"),
        (
            Drifts(),
            r"changes the type of the state.*\[1\] is float32\[\], then int32",
        ),
        (Grows(), r"Grows: a step changes the type of the observation.*float32\[9\]"),
        (Bare(), "it gives a tuple; expected two values"),
    ],
)
def test_what_does_not_compile_once_is_one_clear_error(environment, message):
    with pytest.raises(HandrailError, match=message):
        own_environment(environment)


def test_environments_of_tables_are_refused():
    with pytest.raises(HandrailError, match="numbers of a table's rows"):
        own_environment(make("LavaCrossingS9N1"))


def test_check_environment_says_what_to_fix():
    fine = check_environment(lambda: Cells(), steps=200)
    assert {found.status for found in fine} == {"ok"} and len(fine) == 8
    wrong = {f.rule: f for f in check_environment(lambda: Cells(cost=-1.0), steps=200)}
    assert wrong["cost"].status == "wrong" and "negative in" in wrong["cost"].message
    for broken, message in ((Branches(), "ordinary Python"), (Drifts(), "compiled anew")):
        (found,) = check_environment(lambda broken=broken: broken, steps=10)
        assert (found.rule, found.status) == ("builds", "wrong") and message in found.message
