"""Episodes stepped on the host are those of the compiled roll; MuJoCo's agree in distribution."""

import copy
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.base import BoxActions
from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.tasks import navigation_task
from handrail.envs.transfer import SameView, TransferProblem, View
from handrail.transfer_check.measurement import measure, takeover_steps
from handrail.transfer_check.rollouts import HOLD, roll, roll_on_host
from tests.envs.on_host import OnHost
from tests.experiments.navigation.by_hand import ByHand
from tests.experiments.navigation.toy import LENGTH, Toy

KEY = jax.random.key(5)
KEEP = View.keep(["hazards_lidar", "place"])


def act(observation, key):
    """Somewhat random, and a matter of what is seen."""
    return 0.3 * jax.random.normal(key, (2,)) - observation["place"]


def predict(observation, action):
    return jnp.sum(observation["place"]) + 10 * action[0]


GUIDE = ByHand(act, predict)


class Wheel(AbstractHostEnvironment):
    """Ends by itself after as many steps as its seed says; it costs to be moved backwards.
    What is seen depends on the keys of reset and steps.
    """

    actions = BoxActions(2)
    episode_length = 30
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)

    def reset(self, *, key):
        self.left, self.taken = 3 + seed_of(key) % 37, 0
        return self._seen(0.0, key)

    def step(self, action, *, key):
        assert self.left > 0, "stepped after its end"
        self.left, self.taken = self.left - 1, self.taken + 1
        return HostTimestep(
            self._seen(float(action[0]), key), np.float32(0), np.float32(action[0] < 0),
            np.bool_(self.left == 0), np.bool_(self.taken == self.episode_length),
        )  # fmt: skip

    def _seen(self, moved, key):
        return np.array([moved, seed_of(key) / 2**31], np.float32)

    def snapshot(self):
        return None

    def restore(self, snapshot):
        raise NotImplementedError


ON_ARRAYS = ByHand(
    lambda seen, key: jnp.tanh(jax.random.normal(key, (2,)) + seen),
    lambda seen, action: seen[1] + action[0],
)


@functools.cache
def jitted(function):
    return jax.jit(function)


def naive(environment, controller, begins, key):
    """One episode in plain Python: (views, costs, predicted, predicted of random actions), rows."""
    rows, observation, ended = [], environment.reset(key=stream(key, "reset")), False
    for index in range(environment.episode_length):
        if index < begins:
            held = stream(key, "explore", index // HOLD)
            action = jax.random.uniform(held, (2,), minval=-1, maxval=1)
        else:
            action = jitted(controller.act)(observation, stream(key, "act", index))
        other = jax.random.uniform(stream(key, "compare", index), (2,), minval=-1, maxval=1)
        timestep = environment.step(np.asarray(action), key=stream(key, "step", index))
        predicted = (float(jitted(controller.predict)(observation, one)) for one in (action, other))
        rows.append((observation, float(timestep.cost), *predicted))
        observation, ended = timestep.observation, bool(timestep.terminated)
        if timestep.terminated or timestep.truncated:
            break
    return rows, ended


@pytest.mark.parametrize("seats", [1, 3, 9])
def test_episodes_are_those_of_a_naive_loop(seats):
    """However many environments take turns; ends by the task and by time are told apart."""
    begins = np.array([0, 0, 4, 25, 2, 0, 7])
    told = []
    visits = roll_on_host(
        [Wheel() for _ in range(seats)], ON_ARRAYS, begins,
        steps=30, key=KEY, report=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(done, 7) for done in range(1, 8)]
    assert visits.handed_over.tolist() == begins.tolist()
    for number, key in enumerate(jax.random.split(KEY, len(begins))):
        rows, ended = naive(Wheel(), ON_ARRAYS, begins[number], key)
        length = len(rows)
        assert visits.running[number].tolist() == [True] * length + [False] * (30 - length)
        assert visits.terminated[number] == ended
        ours = visits.views, visits.costs, visits.predicted, visits.predicted_random
        for array, expected in zip(ours, zip(*rows, strict=True), strict=True):
            np.testing.assert_allclose(array[number, :length], np.stack(expected), rtol=1e-4)
    assert 0 < visits.terminated.sum() < len(begins)  # both kinds of end were met


@pytest.mark.parametrize("seats", [1, 4])
def test_a_compiled_task_on_the_host_gives_the_same_episodes(seats):
    """Explorer, takeovers, actions and what is predicted: on the same keys they are the same."""
    environment, begins = Toy(True), takeover_steps(2, LENGTH)
    compiled = roll(environment, GUIDE.seeing(KEEP), begins, key=KEY)
    host = roll_on_host(
        [seen_toy(True) for _ in range(seats)], GUIDE.seeing(KEEP), begins, steps=LENGTH, key=KEY
    )
    assert len(np.unique(compiled.predicted)) > LENGTH  # they are no constants
    for name in ("views", "costs", "predicted", "predicted_random"):
        ours, theirs = getattr(host, name), getattr(compiled, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=name)
    for name in ("running", "terminated", "handed_over"):
        np.testing.assert_array_equal(getattr(host, name), getattr(compiled, name))


def test_an_episode_is_cut_off_where_time_is_up():
    visits = roll_on_host(
        [seen_toy(True)], GUIDE.seeing(KEEP), np.zeros(2, int), steps=LENGTH - 3, key=KEY
    )
    assert visits.lengths.tolist() == [LENGTH - 3] * 2
    assert not visits.terminated.any()


@functools.cache
def compiled_once(has_goal: bool) -> OnHost:
    return OnHost(Toy(has_goal))


def seen_toy(has_goal: bool) -> OnHost:
    """A toy on the host that says what it observes and how long, as host tasks do."""
    parts = {"hazards_lidar": 1, "place": 2} | ({"goal_lidar": 2} if has_goal else {})
    spaces = {name: Box(-np.inf, np.inf, (size,), np.float32) for name, size in parts.items()}
    host = copy.copy(compiled_once(has_goal))
    vars(host).update(observation_space=Dict(spaces), episode_length=LENGTH)
    return host


@pytest.mark.parametrize("where", ["both", "source", "target"])
def test_source_and_target_may_each_be_on_the_host(where):
    """The whole measurement is that of compiled tasks, whichever of both are on the host."""

    def problem(*on_host: str) -> TransferProblem:
        sides = {"source": False, "target": True}
        made = {
            name: seen_toy(has_goal) if name in on_host else Toy(has_goal)
            for name, has_goal in sides.items()
        }
        return TransferProblem(made["source"], made["target"], KEEP, "toy")

    names = ("source", "target") if where == "both" else (where,)
    options = {"episodes": 3, "limit": 1.0, "key": KEY}
    told = set()
    ours = measure(
        problem(*names), GUIDE.of(problem()), **options,
        another=lambda: problem(*names), report=lambda what, done, total: told.add(what),
    )  # fmt: skip
    theirs = measure(problem(), GUIDE.of(problem()), **options)
    assert told == set(names)
    for ours_task, their_task in ((ours.source, theirs.source), (ours.target, theirs.target)):
        for field in ("own_costs", "own_lengths", "handed_costs", "handed_lengths"):
            np.testing.assert_allclose(getattr(ours_task, field), getattr(their_task, field))
        np.testing.assert_allclose(ours_task.predicted.sums, their_task.predicted.sums, rtol=1e-3)


def test_what_cannot_be_run_is_named():
    class Other:
        actions = BoxActions(2)
        observation_space = Box(-1, 1, (2,), np.float32)

    problem = TransferProblem(Other(), Other(), SameView(), "mine")
    with pytest.raises(HandrailError, match="mine: the source is a Other; expected a compiled"):
        measure(problem, ON_ARRAYS.of(problem), episodes=2, limit=1.0, key=KEY)


def test_mujoco_and_compiled_physics_agree_in_distribution():
    """Whole episodes of one task on both. Starts are drawn by different generators, so costs and
    lengths agree as two samples of one distribution do: the means within four standard errors.
    """
    pytest.importorskip("mujoco")
    from handrail.envs.navigation.mujoco_host import MujocoHost

    task = navigation_task("navigation-static").source
    task = dataclasses.replace(task, hazards=dataclasses.replace(task.hazards, size=0.9))
    begins = np.repeat([0, 50], 40)

    def drive(observation, key):
        return jnp.array([1.0, 0.2]) * jax.random.uniform(key, (2,), minval=0.2)

    guide = ByHand(drive, lambda seen, action: action[0] - seen["velocimeter"][0])
    compiled = roll(CompiledNavigation(task, episode_length=100), guide, begins, key=KEY)
    host = roll_on_host(
        [MujocoHost(task, episode_length=100) for _ in range(20)],
        guide, begins, steps=100, key=KEY,
    )  # fmt: skip
    assert compiled.totals.mean() > 5 and 0.1 < compiled.terminated.mean() < 0.9
    for late in (False, True):
        rows = (begins > 0) == late
        for quantity in (
            lambda visits: visits.totals,
            lambda visits: visits.lengths.astype(float),
            lambda visits: visits.terminated.astype(float),
            lambda visits: np.where(visits.running, visits.predicted, 0).sum(axis=1),
        ):
            ours, theirs = quantity(host)[rows], quantity(compiled)[rows]
            error = np.sqrt((ours.var() + theirs.var()) / rows.sum())
            assert abs(ours.mean() - theirs.mean()) < 4 * error
    # what the explorer does is no matter of physics: the same actions on the same keys
    first = np.flatnonzero(begins)
    pushed = host.predicted[first, 0], compiled.predicted[first, 0]
    np.testing.assert_allclose(*pushed, atol=1e-4)  # at rest, so this is the explorer's action
