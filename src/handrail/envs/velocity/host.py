"""A velocity task as an environment on the host, which can be saved and resumed exactly."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.envs.episodes import checked_length
from handrail.envs.gymnasium.actions import BoxCodec
from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.mujoco import import_mujoco
from handrail.envs.velocity.robots import build_robot
from handrail.envs.velocity.tasks import VelocityTask

AT_THRESHOLD = 0.1
"""What a step of the source earns at the threshold's speed."""
_LAGGING = ("xpos", "xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")
"""What robots are asked for that MuJoCo computes before the last substep is integrated."""


@dataclasses.dataclass(frozen=True)
class RunningStarts:
    """A share of the source's episodes begins at a speed.

    Beyond the papers, like `handrail.envs.navigation.compiled.RescueStarts`: a robot learns to slow
    down only where it is too fast, which a beginner never is. The speed is uniform, of the whole
    robot, forwards or, where speed is that on the plane, in a direction drawn uniformly.
    """

    share: float
    """Of the episodes, 0 to 1."""
    slowest: float
    """m/s"""
    fastest: float
    """m/s"""

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise HandrailError(f"share {self.share} of running starts: expected 0 to 1")
        if not 0 <= self.slowest <= self.fastest:
            raise HandrailError(
                f"running starts of {self.slowest} to {self.fastest} m/s: expected "
                "0 ≤ slowest ≤ fastest"
            )


class VelocityHost(AbstractHostEnvironment):
    """One robot in one velocity task.

    Observations are those of Gymnasium's `v4` robot, float32. Agents act in [−1, 1], which stand
    for the bounds of the robot's motors. Cost is 0 or 1 per step, undiscounted. The target's reward
    is the robot's own; the source's is the distance moved in a step, whatever its direction, 0.1
    at the threshold's speed, so that it depends on the robot alone. A fallen robot ends an
    episode, as its version of Gymnasium says. All randomness of an episode comes from the key of
    its reset.
    """

    steps_draw = False

    def __init__(
        self,
        task: VelocityTask,
        *,
        episode_length: int | None = None,
        starts: RunningStarts | None = None,
        size: int | None = None,
    ):
        """`size` in pixels, for environments that render. Raises `HandrailError`."""
        length = checked_length(
            task.episode_length, episode_length, starts=starts,
            in_source=task.variant == "source", what="running starts",
        )  # fmt: skip
        self.task, self.starts, self.episode_length = task, starts, length
        self.robot = build_robot(task.robot, size=size)
        self.observation_space = self.robot.observation_space
        self._codec = BoxCodec(self.robot.action_space)
        self.actions, self.action_bounds = self._codec.actions, self._codec.bounds()
        self._mujoco = import_mujoco()
        self._steps, self._observed = 0, np.zeros(self.observation_space.shape, np.float32)

    def agent_form(self, action: Any) -> Any:
        return self._codec.agent_form(action)

    def reset(self, *, key: Key[Array, ""]) -> np.ndarray:
        seed = seed_of(key)
        observation, _ = self.robot.reset(seed=seed)
        self._steps = 0
        if self.starts is not None:
            draws = np.random.default_rng(seed)
            if draws.random() < self.starts.share:
                observation = self._launched(self.starts, draws)
        return self._seen(observation)

    def _launched(self, starts: RunningStarts, draws: np.random.Generator) -> np.ndarray:
        """Gives the robot a speed; its first joint moves it along x, and a free one along y too."""
        robot = self.robot
        speed = draws.uniform(starts.slowest, starts.fastest)
        velocity = robot.data.qvel.copy()
        velocity[0] += speed
        if self.task.planar:
            course = draws.uniform(0, 2 * math.pi)
            velocity[0] += speed * (math.cos(course) - 1)
            velocity[1] += speed * math.sin(course)
        robot.set_state(robot.data.qpos.copy(), velocity)
        return robot._get_obs()

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        taken = self._codec.to_environment(action)
        observation, reward, terminated, _, info = self.robot.step(taken)
        self._steps += 1
        x, y = float(info["x_velocity"]), float(info.get("y_velocity", 0.0))
        if not math.isfinite(x + y):
            raise HandrailError(
                f"{self.task.name}: the simulation gave a speed of {x}, {y} m/s in step "
                f"{self._steps}; expected finite numbers"
            )
        if self.task.variant == "source":
            reward = AT_THRESHOLD * math.hypot(x, y) / self.task.threshold
        return HostTimestep(
            observation=self._seen(observation),
            reward=np.float32(reward),
            cost=np.float32(self.task.cost(x, y)),
            terminated=np.bool_(terminated),
            truncated=np.bool_(self._steps >= self.episode_length),
        )

    def _seen(self, observation: np.ndarray) -> np.ndarray:
        self._observed = observation.astype(np.float32)
        return self._observed

    def observation_zeros(self) -> np.ndarray:
        return np.zeros(self.observation_space.shape, np.float32)

    def snapshot(self) -> dict[str, np.ndarray]:
        data, whole = self.robot.data, self._mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(self._mujoco.mj_stateSize(self.robot.model, whole))
        self._mujoco.mj_getState(self.robot.model, data, state, whole)
        return {
            "state": state,
            "steps": np.array(self._steps, np.int64),
            "observed": self._observed.copy(),
            **{name: getattr(data, name).copy() for name in _LAGGING},
        }

    def restore(self, snapshot: dict[str, np.ndarray]) -> np.ndarray:
        model, data = self.robot.model, self.robot.data
        whole = self._mujoco.mjtState.mjSTATE_INTEGRATION
        self._mujoco.mj_setState(model, data, snapshot["state"], whole)
        self._mujoco.mj_forward(model, data)
        self._mujoco.mj_setState(model, data, snapshot["state"], whole)
        for name in _LAGGING:
            getattr(data, name)[:] = snapshot[name]
        self._steps = int(snapshot["steps"])
        self._observed = np.asarray(snapshot["observed"], np.float32)
        return self._observed

    def close(self) -> None:
        """Frees the graphics context, if it has one."""
        self.robot.close()
