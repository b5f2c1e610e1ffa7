"""Recorded episodes of Safety-Gymnasium's tasks: what stands, what moves, and pictures of both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.interventions.recipes import none
from handrail.report.player.block import picture_of
from handrail.report.player.pictures import board_of
from handrail.tasks.navigation.episode import played, recorded
from handrail.train.rollout.base import Drawn

pytest.importorskip("mujoco")
from handrail.envs.safety_gymnasium.engine import ArenaEngine
from handrail.envs.safety_gymnasium.host import ArenaHost
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS


def forward(observation, key):
    return jnp.array([1.0, 0.2]), {}


def test_an_episode_of_buttons_and_gremlins_can_be_drawn_and_shown_again():
    task = ARENA_TASKS["navigation-button1"]
    host = ArenaHost(task, episode_length=3)
    keys = jax.random.split(jax.random.key(0), 1)
    done, films = played(host, Drawn(forward), none(), keys)
    (episode,) = recorded(host, task.name, done, films, none())
    scene = episode.scene
    assert [disc[2] for disc in scene["discs"]] == [0.1] * 4
    assert episode.columns["state/vases"].shape == (4, 4, 3)
    assert picture_of(episode) == ("navigation", [])
    assert np.asarray(board_of(episode, 64)(1)).shape == (64, 64, 3)
    assert "seen/gremlins_lidar" in episode.columns
    other = ArenaEngine(task)
    robot, goal = episode.columns["state/robot"][2], tuple(episode.columns["state/goal"][2])
    hazards = [tuple(place) for place in scene["hazards"]]
    gremlins = episode.columns["state/vases"][2].tolist()
    other.show(tuple(robot), goal, gremlins, hazards, scene["discs"])
    shown = other.scene()
    np.testing.assert_allclose([*shown.robot, shown.heading], robot, atol=1e-6)
    np.testing.assert_allclose(shown.vases, episode.columns["state/vases"][2, :, :2], atol=1e-6)
    np.testing.assert_allclose(shown.goal, goal, atol=1e-3)


@pytest.mark.parametrize("name", ARENA_TASKS)
def test_every_task_has_a_scene(name):
    engine = ArenaEngine(ARENA_TASKS[name])
    engine.reset(seed=0)
    scene = engine.scene()
    assert (len(scene.walls), len(scene.rings)) == ((2, 1) if "circle" in name else (0, 0))
    assert (scene.goal is None) == ("circle" in name)
    assert (
        len(scene.vases)
        == {"goal2": 10, "button1": 4, "push1": 1, "circle1": 0}[
            name.removeprefix("navigation-").removesuffix("-car")
        ]
    )


@pytest.mark.parametrize("wrong", [{"discs": [[1, 2]]}, {"walls": ["a"]}, {"rings": 3}])
def test_what_stands_is_checked_before_it_is_drawn(wrong):
    columns = {"state/robot": np.zeros((2, 3)), "state/goal": np.zeros((2, 2)),
               "intervened": np.zeros(1)}  # fmt: skip
    sizes = {"extent": 1, "hazard_size": 0, "vase_size": 0, "goal_radius": 0, "hazards": []}
    from handrail.train.rollout.recorded import RecordedEpisode

    good = RecordedEpisode("navigation", "x", 0, columns, scene=sizes)
    assert picture_of(good)[0] == "navigation"
    bad = RecordedEpisode("navigation", "x", 0, columns, scene={**sizes, **wrong})
    assert picture_of(bad)[0] == ""
