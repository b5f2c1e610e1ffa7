"""Environments of other libraries in miniature; no class of Gymnasium is their ancestor."""

import gymnasium
import numpy as np

BOX = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


class Walker:
    """A point on a line of [−1, 1]; it costs to be beyond ±0.5. Five values a step."""

    action_space = gymnasium.spaces.Box(np.float32(-2), np.float32(4), (1,), np.float32)
    observation_space = BOX

    def __init__(self, length=20):
        self.length = length

    def reset(self, *, seed=None, options=None):
        self.random = np.random.default_rng(seed)
        self.seed, self.count, self.at = seed, 0, float(self.random.uniform(-0.3, 0.3))
        return self.observation(), {}

    def observation(self):
        return np.array([self.at, self.count / self.length], np.float32)

    def move(self, action):
        self.count += 1
        self.at = float(np.clip(self.at + 0.1 * float(action[0]), -1, 1))

    def step(self, action):
        self.taken = action
        self.move(action)
        cost = float(abs(self.at) > 0.5)
        return self.observation(), self.at, False, self.count >= self.length, {"cost": cost}


class SixTuple(Walker):
    """The same with Safety-Gymnasium's six values."""

    def step(self, action):
        observation, reward, terminated, truncated, info = Walker.step(self, action)
        return observation, reward, info["cost"], terminated, truncated, {}


class Named(Walker):
    """The same with named parts, one of which is a number and one no array."""

    observation_space = gymnasium.spaces.Dict(
        position=gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float64),
        phase=gymnasium.spaces.Discrete(3, start=5),
        words=gymnasium.spaces.Text(5),
    )

    def observation(self):
        return {"position": np.array([self.at]), "phase": 5 + self.count % 3, "words": "hello"}


class Broken(Walker):
    """Breaks one rule at the third step: `wrong` replaces entries of what the step returns."""

    def __init__(self, **wrong):
        Walker.__init__(self)
        self.wrong = wrong

    def step(self, action):
        observation, reward, terminated, truncated, info = Walker.step(self, action)
        values = {
            "observation": observation, "reward": reward, "terminated": terminated,
            "truncated": truncated, "info": info,
        }  # fmt: skip
        if self.count == 3:
            if "raises" in self.wrong:
                raise self.wrong["raises"]
            if "result" in self.wrong:
                return self.wrong["result"]
            values |= self.wrong
        return tuple(values.values())
