"""Draws the pictures of the gallery: one short animated GIF of each task, without any training.

    python -m tools.gallery docs/pictures [TASK ...]

Simple drivers act: on lava the shortest way to the goal, in navigation a robot that steers to its
goal and away from what its lidars read, and that has learnt nothing. Pictures are those of
`handrail record`.
"""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from handrail.envs.lava.make import make_lava
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.navigation.tasks import LIDAR_RANGE
from handrail.interventions.recipes import none
from handrail.report.player.pictures import board_of
from handrail.report.player.video import Reel, write_video
from handrail.tasks.lava.episode import played as lava_played
from handrail.tasks.navigation.episode import played, recorded
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.recorded import RecordedEpisode

LAVA = {"LavaCrossingS9N1": 123, "LavaCrossingS9N2": 123, "LavaCrossingS9N3": 123}
"""Tasks, and the seeds of their layouts."""
NAVIGATION = {
    "navigation-static": 1, "navigation-semi-dynamic": 1, "navigation-dynamic": 4,
    "navigation-pointgoal1": 2,
}  # fmt: skip
"""Tasks, and the seeds of their episodes."""
STEPS, SIZE = 400, 240


def steering(hazard: float, vase: float):
    """Forward and turn, from the lidars: to the goal, around hazards of this radius (m) and vases
    of this half edge.
    """
    edge = 1 - (hazard + 0.3) / LIDAR_RANGE  # what a lidar reads a little outside of one
    corner = 1 - (1.4 * vase + 0.35) / LIDAR_RANGE

    def act(observation, key):
        goal, car = observation["goal_lidar"], "ballquat_rear" in observation
        near = jnp.maximum(observation["hazards_lidar"] - edge, 0)
        if "vases_lidar" in observation:
            near = jnp.maximum(near, observation["vases_lidar"] - corner)
        turns = (jnp.arange(16) + 0.5) * 2 * jnp.pi / 16
        turns = turns + jnp.pi / 2 if car else turns  # the car drives along -y
        directions = jnp.stack([jnp.cos(turns), jnp.sin(turns)])
        wish = directions @ goal**4 + jnp.array([1e-6, 0])  # ahead, where the goal is out of sight
        away = directions @ near
        around = jnp.stack([-away[1], away[0]])
        force = wish / jnp.linalg.norm(wish) - 20 * away + 10 * around
        angle = jnp.arctan2(force[1], force[0])
        velocity = observation["velocimeter"]
        speed = -velocity[1] if car else velocity[0]
        ahead = 2 * (0.6 * jnp.maximum(jnp.cos(angle), 0) ** 2 - speed)
        turn = jnp.clip(1.2 * angle - 0.4 * observation["gyro"][2], -1, 1)
        if car:
            return jnp.clip(jnp.stack([ahead + turn, ahead - turn]), -1, 1), {}
        return jnp.clip(jnp.stack([ahead, turn]), -1, 1), {}

    return act


def navigation(name: str, seed: int) -> RecordedEpisode:
    """The first steps of an episode."""
    environment = navigation_problem(name).target
    keys = jax.random.split(jax.random.key(seed), 1)
    done, films = played(
        environment,
        Drawn(steering(environment.task.hazards.size, environment.task.vases.size)),
        none(),
        keys,
    )
    return recorded(environment, name, done, films, none())[0]


def lava(name: str, seed: int) -> RecordedEpisode:
    """An episode on the shortest way."""
    world = make_lava(name, layout=seed)
    shortest = jnp.asarray(_shortest(world))
    policy = Drawn(lambda row, key: (shortest[row], {}))
    keys = jax.random.split(jax.random.key(seed), 1)
    return lava_played(world, policy, none(), none().init(), STEPS, keys)[0]


def _shortest(world) -> np.ndarray:
    """The action that leads to the goal in the fewest steps, for each row."""
    successor, goal = np.asarray(world.successor), np.asarray(world.enters_goal)
    blocked = np.asarray(world.unsafe_table)
    left = np.full(len(successor), np.inf)
    ways = np.full(successor.shape, np.inf)
    for _ in range(len(successor)):
        ways = np.where(goal, 1.0, np.where(blocked, np.inf, 1.0 + left[successor]))
        shorter = ways.min(axis=1)
        if (shorter == left).all():
            break
        left = shorter
    return ways.argmin(axis=1).astype(np.int32)


def main(folder: Path, only: list[str]) -> None:
    """Draws all of them, or those of these tasks only."""
    for tasks, episode_of in ((LAVA, lava), (NAVIGATION, navigation)):
        for name, seed in tasks.items():
            if only and name not in only:
                continue
            episode = dataclasses.replace(episode_of(name, seed).cut(STEPS), outcome="")
            path = folder / f"{name}.gif"
            grid = episode.kind == "lava"
            reel = Reel(
                [[(episode, board_of(episode, SIZE), name)]],
                size=SIZE, every=1 if grid else 4, fps=5 if grid else 20,
            )  # fmt: skip
            write_video(path, reel)
            print(path, f"{path.stat().st_size / 1000:.0f} kB, {episode.steps} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures"), sys.argv[2:])
