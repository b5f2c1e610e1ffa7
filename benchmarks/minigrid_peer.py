"""stable-baselines3's DQN on the real MiniGrid, observing what handrail's agents observe."""

import gymnasium
import minigrid  # noqa: F401  (registers the environments)
import numpy as np
from minigrid.wrappers import RGBImgObsWrapper

KINDS = {"wall": 0, "lava": 1, "goal": 2}
SIDE = 84


class FixedLayout(gymnasium.Wrapper):
    """Every episode in the layout of one seed."""

    def __init__(self, env: gymnasium.Env, seed: int):
        super().__init__(env)
        self.layout = seed

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=self.layout, options=options)


class SymbolicView(gymnasium.ObservationWrapper):
    """The grid in numbers: (height, width, 7), flattened; wall, lava, goal, agent by direction.

    The grid of an episode never changes in these environments, so only the agent is redrawn.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        grid = env.unwrapped
        self.shape = (grid.height, grid.width, 7)
        self.observation_space = gymnasium.spaces.Box(0, 1, (int(np.prod(self.shape)),), np.float32)

    def reset(self, *, seed=None, options=None):
        _, info = self.env.reset(seed=seed, options=options)
        self.background = np.zeros(self.shape, np.float32)
        for index, thing in enumerate(self.unwrapped.grid.grid):  # row by row
            if thing is not None and thing.type in KINDS:
                self.background[(*divmod(index, self.shape[1]), KINDS[thing.type])] = 1
        return self.observation(None), info

    def observation(self, observation):
        x, y = self.unwrapped.agent_pos
        frame = self.background.copy()
        frame[y, x, 3 + self.unwrapped.agent_dir] = 1
        return frame.reshape(-1)


class PixelView(gymnasium.ObservationWrapper):
    """The grid drawn by MiniGrid at 8 pixels a tile, resized to 84×84 by OpenCV (area)."""

    def __init__(self, env: gymnasium.Env):
        import cv2

        super().__init__(RGBImgObsWrapper(env, tile_size=8))
        self.resize = lambda image: cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        self.observation_space = gymnasium.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)

    def observation(self, observation):
        return self.resize(observation["image"])


VIEWS = {"symbolic": SymbolicView, "pixels": PixelView}


def make_minigrid(name: str, observation: str, seed: int) -> gymnasium.Env:
    """The real environment `LavaCrossingS9N1` with one layout."""
    env = gymnasium.make(f"MiniGrid-{name}-v0", disable_env_checker=True)
    return VIEWS[observation](FixedLayout(env, seed))


def make_dqn(env: gymnasium.Env, observation: str, learning, *, epsilon: float):
    """stable-baselines3's DQN with the settings of a `handrail` `QLearning`.

    The exploration rate stays at `epsilon`. Its DQN has neither double Q nor prioritized replay,
    so it does less an update.
    """
    from stable_baselines3 import DQN

    policy = {"symbolic": "MlpPolicy", "pixels": "CnnPolicy"}[observation]
    hidden = list(learning.hidden) if observation == "symbolic" else []
    return DQN(
        policy,
        env,
        learning_rate=learning.learning_rate,
        buffer_size=learning.replay,
        learning_starts=learning.learning_starts,
        batch_size=learning.batch,
        gamma=learning.discount,
        train_freq=learning.train_every,
        gradient_steps=1,
        target_update_interval=learning.target_every,
        exploration_initial_eps=epsilon,
        exploration_final_eps=epsilon,
        policy_kwargs={"net_arch": hidden},
        seed=0,
        device="cpu",
    )
