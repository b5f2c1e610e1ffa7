"""Environments of a user's with discrete actions, as experiment files and commands name them."""

import gymnasium
import jax.numpy as jnp
import numpy as np

from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy


class Corridor(gymnasium.Env):
    """Left, right or wait in a corridor of nine cells, whose first one costs. The door at the end
    is locked: to push there is an error, and masked.
    """

    action_space = gymnasium.spaces.Discrete(3)
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, goal=7):
        self.goal = goal

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.count = int(self.np_random.integers(1, 5)), 0
        return self.look(), self.info()

    def look(self):
        return np.array([self.at / 4 - 1, self.at == self.goal], np.float32)

    def info(self):
        mask = [self.at > 0, self.at < 8, True]
        return {"at": self.at, "action_mask": np.array(mask, np.int8)}

    def step(self, action):
        assert self.info()["action_mask"][action], "the door is locked"
        self.at, self.count = self.at + (-1, 1, 0)[int(action)], self.count + 1
        cost = float(self.at == 0)
        info = self.info() | {"cost": cost, "is_success": self.at == self.goal}
        return self.look(), float(self.at == self.goal) - cost, cost > 0, self.count == 20, info


def make():
    return Corridor()


def other():
    return Corridor(goal=5)


def right(observation, key):
    return jnp.int32(1), {}


careful = shield(lambda context: context.info["at"] < 2, Policy(right), info=["at"])
careless = shield(lambda context: context.info["at"] < 1, Policy(right), info=["at"])
