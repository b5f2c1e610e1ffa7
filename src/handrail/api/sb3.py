"""stable-baselines3's off-policy agents around a `SafeExploration`: they learn from what was done.

Such an agent stores the action that it proposed. Where an intervention acted in its place, reward
and next observation are those of another action; these buffers store that one. Nothing else of
handrail imports stable-baselines3. On-policy agents (PPO, A2C) need no buffer of ours: they weigh
what they themselves proposed, and the intervention is part of the environment to them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError

try:
    from stable_baselines3.common import buffers  # pyrefly: ignore[missing-import]
except ImportError as error:
    raise HandrailError(
        "handrail.api.sb3 needs stable-baselines3: pip install stable-baselines3"
    ) from error


class StoresExecuted:
    """Of a replay buffer, such as `class Mine(StoresExecuted, HerReplayBuffer)`: `add` stores
    `info["executed_action"]` in place of the agent's action.

    Raises `HandrailError` where the environment is no `SafeExploration`.
    """

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: Sequence[Mapping[str, Any]],
    ) -> None:
        """One step of every environment side by side, as stable-baselines3 calls it."""
        executed = np.stack([self._stored(info) for info in infos]).reshape(np.shape(action))
        super().add(obs, next_obs, executed, reward, done, infos)  # pyrefly: ignore

    def _stored(self, info: Mapping[str, Any]) -> np.ndarray:
        """The executed action as buffers have it: real ones within [−1, 1], others as they are."""
        if "executed_action" not in info:
            raise HandrailError(
                "info has no executed_action: put a handrail.SafeExploration around the environment"
            )
        executed, space = np.asarray(info["executed_action"]), self.action_space  # pyrefly: ignore
        if type(space).__name__ != "Box":
            return executed
        return (2 * ((executed - space.low) / (space.high - space.low)) - 1).astype(space.dtype)


class ExecutedReplayBuffer(StoresExecuted, buffers.ReplayBuffer):
    """For observations that are one array: `DQN(…, replay_buffer_class=ExecutedReplayBuffer)`."""


class ExecutedDictReplayBuffer(StoresExecuted, buffers.DictReplayBuffer):
    """For observations with named parts."""
