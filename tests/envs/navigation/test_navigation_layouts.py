"""Layouts: bit for bit those of Safety Gym from a seed; the same distribution from JAX keys."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from scipy.stats import ks_2samp

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs.navigation import layouts
from handrail.envs.navigation.layouts import hazard_depth, sample_layout
from handrail.envs.navigation.sampling import sample_places
from handrail.envs.navigation.tasks import TASKS, Objects, navigation_task
from tests.envs.navigation.recordings import RECORDED
from tests.support import data, oracle, part

COMPILED = [
    task
    for name in ("navigation-static", "navigation-dynamic-without-vases")
    for task in (TASKS[name].source, TASKS[name].target)
]


def check_layouts(task, recorded):
    for row, seed in enumerate(recorded["L_seed"]):
        layout = sample_layout(task, int(seed))
        assert layout.robot == tuple(recorded["L_robot_xy"][row])
        assert layout.robot_heading == recorded["L_robot_rot"][row]
        np.testing.assert_array_equal(layout.hazards, recorded["L_hazards_xy"][row])
        if layout.vases:
            np.testing.assert_array_equal(layout.vases, recorded["L_vases_xy"][row])
            np.testing.assert_array_equal(layout.vase_headings, recorded["L_vases_rot"][row])
        if task.has_goal:
            assert layout.discarded_goal == tuple(recorded["L_goal_layout_xy"][row])
            assert layout.goal == tuple(recorded["L_goal_xy"][row])
        depth = hazard_depth(layout.robot, layout.hazards, task.hazards.size)
        assert (depth > 0) == (recorded["L_start_cost_hazards"][row] > 0)
        assert layout.draws.random_sample() == recorded["L_rng_next"][row]


@pytest.mark.parametrize("name", RECORDED)
def test_layouts_from_seeds_are_the_recorded_ones(name):
    check_layouts(RECORDED[name], part(data("navigation"), f"layouts-{name}"))


@pytest.mark.parametrize("name", RECORDED)
def test_all_recorded_layouts(name):
    check_layouts(RECORDED[name], oracle(f"navigation/layouts_{name}"))


def test_another_keepout_is_noticed():
    task = dataclasses.replace(RECORDED["StudentEnv-v2"], robot_keepout=0.41)
    with pytest.raises(AssertionError):
        check_layouts(task, part(data("navigation"), "layouts-StudentEnv-v2"))


def features(robot, heading, hazards, goal):
    """Numbers whose distributions tell layouts apart."""
    gaps = np.linalg.norm(hazards - robot[:, None], axis=-1)
    pairs = np.linalg.norm(hazards[:, :, None] - hazards[:, None], axis=-1)
    return {
        "x": robot[:, 0],
        "distance from the middle": np.linalg.norm(robot, axis=1),
        "heading": np.cos(heading),
        "last hazard": hazards[:, -1, 0],
        "nearest hazard": gaps.min(axis=1),
        "hazards": pairs.mean(axis=(1, 2)),
        "goal": np.linalg.norm(goal - robot, axis=1),
        "hazard to goal": np.linalg.norm(hazards - goal[:, None], axis=-1).min(axis=1),
    }


@functools.cache
def legacy_features(task, count):
    drawn = [sample_layout(task, seed) for seed in range(count)]
    size = task.hazards.size
    drawn = [one for one in drawn if not hazard_depth(one.robot, one.hazards, size)]
    return features(
        np.array([one.robot for one in drawn]),
        np.array([one.robot_heading for one in drawn]),
        np.array([one.hazards for one in drawn]),
        np.array([one.goal or (0.0, 0.0) for one in drawn]),
    )


def compiled_features(task, count):
    draw = jax.jit(jax.vmap(lambda key: sample_places(task, key=key)))
    places = draw(jax.random.split(jax.random.key(1), count))
    return features(*(np.asarray(x, float) for x in jax.tree.leaves(places)))


def differing(one, other):
    """The features whose distributions differ beyond chance (one in 10⁵ for each)."""

    def differ(a, b):
        if a.std() < 1e-6:  # a fixed place: no distribution, but the same up to rounding
            return np.abs(b - a.mean()).max() > 1e-5
        return ks_2samp(a, b).pvalue < 1e-5

    return {name for name in one if differ(one[name], other[name])}


@pytest.mark.parametrize("task", COMPILED, ids=lambda task: f"{task.name}-{task.variant}")
def test_compiled_layouts_have_the_same_distribution(task):
    assert not differing(legacy_features(task, 1000), compiled_features(task, 3000))


@pytest.mark.parametrize(
    "change",
    [
        {"robot_keepout": 0.5},
        {"goal_keepout": 0.36},
        {"hazards": Objects(8, 0.2, 0.24)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_distribution_is_noticed(change):
    task = TASKS["navigation-dynamic-without-vases"]
    other = dataclasses.replace(task, **change)
    assert differing(legacy_features(task, 1000), compiled_features(other, 3000))


@pytest.mark.parametrize("task", COMPILED, ids=lambda task: f"{task.name}-{task.variant}")
def test_compiled_layouts_keep_their_distances(task):
    draw = jax.jit(jax.vmap(lambda key: sample_places(task, key=key)))
    places = jax.device_get(draw(jax.random.split(jax.random.key(2), 500)))
    for row in range(500):
        hazards = [(f"hazard {i}", p, task.hazards.keepout) for i, p in
                   enumerate(places.hazards[row])]  # fmt: skip
        objects = [("robot", places.robot[row], task.robot_keepout), *hazards]
        if task.has_goal:
            objects.append(("goal", places.goal[row], task.goal_keepout))
        for i, (name, place, keepout) in enumerate(objects):
            assert np.abs(place).max() <= task.extent - keepout + 1e-6 or task.hazards.at, name
            for other, other_place, other_keepout in objects[:i]:
                gap = np.linalg.norm(place - other_place)
                assert gap >= keepout + other_keepout - 1e-6, (name, other)
        depth = np.linalg.norm(places.hazards[row] - places.robot[row], axis=1)
        assert depth.min() >= task.hazards.size - 1e-6, "a start that costs"


def test_pointgoal1_is_safety_point_goal_1():
    task = navigation_task("navigation-pointgoal1")
    assert (task.hazards.count, task.vases.count, task.limit, task.extent) == (8, 1, 25.0, 1.5)
    assert not task.vases_cost
    assert sum(np.prod(shape) for shape in task.parts.values()) == 60


def test_observation_sizes():
    sizes = [int(sum(np.prod(s) for s in task.parts.values())) for task in RECORDED.values()]
    assert sizes == [28, 44, 56, 72, 44, 60]
    assert all(list(task.parts) == sorted(task.parts) for task in RECORDED.values())


def test_mistakes(monkeypatch):
    with pytest.raises(UnknownName, match="navigation-static"):
        navigation_task("navigation-statik")
    with pytest.raises(HandrailError, match="2 objects but 1 places"):
        Objects(2, 0.1, 0.1, at=((0.0, 0.0),))
    crowded = dataclasses.replace(TASKS["navigation-static"], robot_keepout=1.4)
    monkeypatch.setattr(layouts, "RESTARTS", 3)
    with pytest.raises(HandrailError, match="no layout found"):
        sample_layout(crowded, 0)
