"""An environment of a user's, as an experiment file and commands name it."""

import gymnasium
import numpy as np

from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy
from tests.envs.compiled_toys import Track
from tests.envs.toys import Walker


class Near(Walker):
    """A walker that begins in danger where it is asked to."""

    def reset(self, *, seed=None, options=None):
        observation, info = Walker.reset(self, seed=seed)
        if (options or {}).get("start") == "unsafe":
            self.at = 0.9
            observation = self.observation()
        return observation, info


def make():
    return Near()


class Slippery(Near):
    """One that goes further than it wants to."""

    def step(self, action):
        return Near.step(self, 1.5 * action)


class Line(Walker, gymnasium.Env):
    """What Gymnasium puts side by side."""


def pair():
    return gymnasium.vector.SyncVectorEnv([Line, Line])


def short_track():
    return Track()


def long_track():
    return Track(episode_length=1_000)


def steep(observation, action, next_observation, info):
    """Costs from 0.4 on."""
    return float(abs(next_observation[0]) > 0.4)


def free(observation, action, next_observation, info):
    """Costs nowhere."""
    return 0.0


def moved(observation, action, next_observation):
    return float(np.abs(next_observation - observation)[0])


careful = shield(lambda context: context.observation[0] > 0.3, Policy(lambda o, k: (-o[:1], {})))
harmless = shield(lambda context: context.observation[0] > 9.0, Policy(lambda o, k: (-o[:1], {})))
