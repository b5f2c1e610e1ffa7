"""Draws the pictures of the gallery: one short animated GIF of each task, without any training.

    python -m tools.gallery docs/pictures [TASK ...]

Simple drivers act, which have learnt nothing: on lava the shortest way to the goal, in navigation a
robot that steers to its goal and away from what its lidars read, in the velocity tasks joints that
push on where they swing to. Pictures are those of `handrail record`; the velocity tasks' need
graphics (EGL, OSMesa or a screen).
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.envs.base import action_size
from handrail.envs.lava.make import make_lava
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.navigation.tasks import LIDAR_RANGE, NavigationTask
from handrail.envs.safety_gymnasium.tasks import ArenaTask
from handrail.envs.velocity.host import VelocityHost
from handrail.envs.velocity.tasks import velocity_task
from handrail.interventions.recipes import none
from handrail.report.player.pictures import board_of
from handrail.report.player.video import Reel, write_video
from handrail.tasks.lava.episode import played as lava_played
from handrail.tasks.navigation.episode import played, recorded
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.frames import recorded_frames
from handrail.train.rollout.recorded import RecordedEpisode

LAVA = {"LavaCrossingS9N1": 123, "LavaCrossingS9N2": 123, "LavaCrossingS9N3": 123}
"""Tasks, and the seeds of their layouts."""
NAVIGATION = {
    "navigation-static": 1, "navigation-semi-dynamic": 1, "navigation-dynamic": 4,
    "navigation-pointgoal1": 2, "navigation-goal2": 5, "navigation-button1": 1,
    "navigation-push1": 5, "navigation-circle1": 1,
}  # fmt: skip
"""Tasks, and the seeds of their episodes."""
VELOCITY = {"velocity-halfcheetah": 1.0, "velocity-ant": 0.8, "velocity-hopper": 0.3}
"""Tasks, and how hard joints push (share of their motors)."""
STEPS, SIZE = 400, 240
RUN = 60  # steps of a velocity task's picture


def steering(edges: Mapping[str, float], aim: str = "goal_lidar", *, across: bool = False):
    """Forward and turn, from the lidars: to what `aim` reads, or across it to the right; around
    what others read more of than `edges` says.
    """

    def act(observation, key):
        goal, car = observation[aim], "ballquat_rear" in observation
        near = jnp.zeros(16)
        for name, edge in edges.items():
            near = jnp.maximum(near, observation[name] - edge)
        turns = (jnp.arange(16) + 0.5) * 2 * jnp.pi / 16
        turns = turns + jnp.pi / 2 if car else turns  # the car drives along -y
        directions = jnp.stack([jnp.cos(turns), jnp.sin(turns)])
        wish = directions @ goal**4 + jnp.array([1e-6, 0])  # ahead, where the goal is out of sight
        wish = jnp.stack([wish[1], -wish[0]]) if across else wish
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


def beside(radius: float, corner: float = 1.0) -> float:
    """What a lidar reads a little outside of a disc of this radius (m), or of a box of this half
    edge, whose corners are 1.4 times as far.
    """
    return 1 - (corner * radius + 0.3 + 0.05 * (corner > 1)) / LIDAR_RANGE


def driver_of(task: NavigationTask | ArenaTask):
    """What steers in a task."""
    if isinstance(task, NavigationTask):
        edges = {"hazards_lidar": beside(task.hazards.size)}
        if task.vases.count:
            edges["vases_lidar"] = beside(task.vases.size, 1.4)
        return steering(edges)
    avoided = {
        f"{group.kind}_lidar": beside(group.size, 1.4 if group.free else 1.0)
        for group in task.groups
        if group.kind in ("hazards", "vases", "gremlins", "pillars")
    }
    if "circle_lidar" in task.parts:
        return steering(avoided, "circle_lidar", across=True)
    return steering(avoided, "push_box_lidar" if "push_box_lidar" in task.parts else "goal_lidar")


def navigation(name: str, seed: int) -> RecordedEpisode:
    """The first steps of an episode."""
    environment = navigation_problem(name).target
    keys = jax.random.split(jax.random.key(seed), 1)
    driver = Drawn(driver_of(environment.task))
    done, films = played(environment, driver, none(), keys)
    return recorded(environment, name, done, films, none())[0]


def velocity(name: str, force: float) -> RecordedEpisode:
    """The first steps of an episode in which every joint pushes on where it swings to."""
    host = VelocityHost(velocity_task(name), episode_length=RUN, size=SIZE)
    joints = action_size(host.actions)

    def act(observation, key):
        noise = 0.3 * jax.random.uniform(key, (joints,), minval=-1.0)
        return force * jnp.tanh(0.5 * observation[-joints:] + noise), {}

    try:
        return recorded_frames(
            host, host.robot, Drawn(act), none(), environment=name, method="", acts="",
            episodes=1, seed=0, longest=RUN,
        )[0]  # fmt: skip
    finally:
        host.close()


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
    drawn: tuple[tuple[Mapping[str, Any], Callable[..., RecordedEpisode]], ...] = (
        (LAVA, lava), (NAVIGATION, navigation), (VELOCITY, velocity)
    )  # fmt: skip
    for tasks, episode_of in drawn:
        for name, own in tasks.items():
            if only and name not in only:
                continue
            episode = dataclasses.replace(episode_of(name, own).cut(STEPS), outcome="")
            path = folder / f"{name}.gif"
            grid = episode.kind == "lava"
            reel = Reel(
                [[(episode, board_of(episode, SIZE), name)]],
                size=SIZE, every={"lava": 1, "navigation": 4}.get(episode.kind, 2),
                fps=5 if grid else 20,
            )  # fmt: skip
            write_video(path, reel)
            print(path, f"{path.stat().st_size / 1000:.0f} kB, {episode.steps} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures"), sys.argv[2:])
