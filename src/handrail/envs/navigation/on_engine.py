"""An engine on MuJoCo as an environment on the host: float32, from the keys of its resets."""

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.base import BoxActions
from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.engine import AbstractRobotEngine, Parts
from handrail.envs.navigation.launching import Harm, Launch, drawn_launch

_TRIES = 100  # places for a rescue start that touches nothing


class AbstractEngineHost(AbstractHostEnvironment):
    """One robot in one task: observations are dictionaries of float32 parts (`task.parts`).

    Cost is 0 or 1 per step, undiscounted. All randomness of an episode comes from the key of its
    reset: steps draw nothing.

    With `rescue`, a share of the source's episodes begins in harm, already moving, where the robot
    touches nothing that it can bump into; it stays where it was if there is no such place.
    """

    steps_draw = False

    def __init__(self, engine: AbstractRobotEngine, rescue: RescueStarts | None):
        self.engine: Any = engine
        self.task, self.rescue = engine.task, rescue
        self.episode_length = self.task.episode_length
        self.actions = BoxActions(2)
        self.observation_space = engine.observation_space

    @abc.abstractmethod
    def _harm(self) -> Harm:
        """Where a rescue start of this episode may be."""

    def reset(self, *, key: Key[Array, ""]) -> Parts:
        seed = seed_of(key)
        observation, _ = self.engine.reset(seed=seed)
        if self.rescue is not None:
            draws = np.random.default_rng(seed)
            if draws.random() < self.rescue.share:
                observation = self._launched(self.rescue, draws)
        return float32(observation)

    def _launched(self, rescue: RescueStarts, draws: np.random.Generator) -> Parts:
        usual, robot, harm = self.engine.layout, self.task.robot, self._harm()
        for _ in range(_TRIES):
            launch = drawn_launch(rescue, draws, harm, robot=robot, heading=usual.robot_heading)
            observation = self.engine.launch(usual, launch)
            if not self.engine.touches():
                return observation
        return self.engine.launch(usual, Launch(usual.robot, 0.0, 0.0, 0.0))

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        observation, reward, terminated, truncated, info = self.engine.step(action)
        return HostTimestep(
            observation=float32(observation),
            reward=np.float32(reward),
            cost=np.float32(info["cost"]),
            terminated=np.bool_(terminated),
            truncated=np.bool_(truncated),
        )


def float32(observation: Mapping[str, np.ndarray]) -> Parts:
    """An observation's parts."""
    return {name: part.astype(np.float32) for name, part in observation.items()}
