"""What one foreign environment says, as checked timesteps of an agent of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.arguments import whole
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.actions import AbstractActionCodec, action_codec
from handrail.envs.gymnasium.costs import CostFn, Costs
from handrail.envs.gymnasium.raw import RawStep, finite_reward, raw_copy
from handrail.envs.gymnasium.spaces import ObservationCodec
from handrail.envs.host import HostTimestep


class HostReader:
    """Follows one environment from episode to episode; it is stepped elsewhere.

    An episode that lasts for `time_limit` steps is truncated.

    Every `HandrailError` of a method is to be raised as `failed` returns it: with the name of the
    environment, episode and step.
    """

    def __init__(
        self,
        name: str,
        action_space: Any,
        observation_space: Any,
        cost: CostFn | None,
        *,
        limits: Mapping[str, float] | None,
        parts: Sequence[str] | None,
        time_limit: int | None = None,
    ):
        self.name, self._time_limit = name, time_limit
        self.read_cost = Costs(cost, limits)
        self.costs: dict[str, float] = {}
        self._episode, self._step = -1, 0
        self._running = False
        self._raw: Any = None
        try:
            self.codec: AbstractActionCodec = action_codec(action_space)
            self.observe = ObservationCodec(observation_space, parts)
        except HandrailError as error:
            raise HandrailError(f"{name}: {error}") from None

    def begin(self) -> None:
        """An episode is about to begin."""
        self._episode, self._step = self._episode + 1, 0
        self._running = False

    def begun(self, raw: Any) -> Any:
        """The first observation of the episode."""
        self._raw = self._kept(raw)
        observation = self.observe(self._raw)
        self._running = True
        return observation

    def act(self, action: Any) -> Any:
        """The environment's form of an agent's action, for the step that is about to be taken."""
        if not self._running:
            raise HandrailError(
                "the episode has ended; call reset before the next step"
                if self._episode >= 0
                else "step was called before reset; call reset first"
            )
        self._step += 1
        return self.codec.to_environment(action)

    def happened(self, taken: Any, raw: RawStep) -> HostTimestep:
        """What came of the action `taken`."""
        observation = self.observe(raw.observation)
        reward = finite_reward(raw.reward)
        named = self.read_cost.named(self._raw, taken, raw.observation, raw.info, raw.sixth)
        cost = self.read_cost.combined(named)
        self.costs = named
        self._raw = self._kept(raw.observation)
        truncated = raw.truncated or (not raw.terminated and self._step == self._time_limit)
        self._running = not (raw.terminated or truncated)
        return HostTimestep(
            observation=observation,
            reward=np.float32(reward),
            cost=np.float32(cost),
            terminated=np.bool_(raw.terminated),
            truncated=np.bool_(truncated),
            constraints=self.read_cost.each(named),
        )

    def failed(self, error: HandrailError) -> HandrailError:
        """The error, located; the episode is over."""
        self._running = False
        return HandrailError(
            f"{self.name}, episode {max(self._episode, 0)}, step {self._step}: {error}"
        )

    def _kept(self, raw: Any) -> Any:
        """The observation until the next step; environments may write into it meanwhile."""
        return raw if self.read_cost.cost_fn is None else raw_copy(raw)


def checked_time_limit(given: int | None, registered: int | None) -> int | None:
    """Steps after which episodes are truncated: as given, or as registered. None for no limit."""
    return registered if given is None else whole("episode_length", given, least=1)
