"""What one foreign environment says, as checked timesteps of an agent of ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.arguments import whole
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.actions import AbstractActionCodec, action_codec
from handrail.envs.gymnasium.costs import CostFn, Costs
from handrail.envs.gymnasium.info_columns import InfoColumns
from handrail.envs.gymnasium.raw import RawStep, finite_reward, raw_copy
from handrail.envs.gymnasium.side_info import NO_SIDE_INFO, ReadSideInfo, SideInfo
from handrail.envs.gymnasium.spaces import ObservationCodec
from handrail.envs.host import HostTimestep


class HostReader:
    """Follows one environment from episode to episode; it is stepped elsewhere.

    An episode that lasts for `time_limit` steps is truncated.

    What `attempt` calls raises its `HandrailError`s with the name of the environment, episode and
    step.
    """

    def __init__(
        self,
        name: str,
        action_space: Any,
        observation_space: Any,
        cost: CostFn | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        parts: Sequence[str] | None = None,
        time_limit: int | None = None,
        info: InfoColumns | None = None,
        side_info: SideInfo = NO_SIDE_INFO,
    ):
        self.info = InfoColumns() if info is None else info
        self.name, self._time_limit = name, time_limit
        self.read_cost = Costs(cost, limits)
        self.costs: dict[str, float] = {}
        self._episode, self._step = -1, 0
        self._running = False
        self._raw: Any = None
        try:
            self.codec: AbstractActionCodec = action_codec(action_space)
            self.side_info = ReadSideInfo(side_info, self.codec.actions)
            self.observe = ObservationCodec(
                observation_space, self.side_info.parts(observation_space, parts)
            )
        except HandrailError as error:
            raise HandrailError(f"{name}: {error}") from None
        self.actions, self.action_bounds = self.codec.actions, self.codec.bounds()
        self.images = self.observe.images
        self.watches: list[Callable[[Any], None]] = []  # are shown every observation
        self.limit, self.limits = self.read_cost.limit, self.read_cost.apart

    def observation_zeros(self) -> Any:
        """An observation of zeros: the shapes and dtypes of this environment."""
        return self.side_info.zeros(self.observe.zeros())

    def begin(self) -> None:
        """An episode is about to begin."""
        self._episode, self._step = self._episode + 1, 0
        self._running = False

    def begun(self, raw: Any, info: Mapping[str, Any]) -> Any:
        """The first observation of the episode, whose reset also gave this info."""
        self._raw = self._kept(raw)
        observation = self._observed(self._raw)
        seen = self.side_info(observation, self._raw, info, first=True, ended=False)
        self._running = True
        return seen

    def act(self, action: Any) -> Any:
        """The environment's form of an agent's action, for the step that is about to be taken."""
        if not self._running:
            raise HandrailError(
                "the episode has ended; call reset before the next step"
                if self._episode >= 0
                else "step was called before reset; call reset first"
            )
        self._step += 1
        self.side_info.refuse_masked(action)
        return self.codec.to_environment(action)

    def read(self, taken: Any, raw: RawStep) -> tuple[Any, float, float]:
        """Observation, reward and cost, after the action `taken`; `costs` has those by name."""
        observation = self._observed(raw.observation)
        ended = raw.terminated or raw.truncated
        seen = self.side_info(observation, raw.observation, raw.info, first=False, ended=ended)
        reward = finite_reward(raw.reward)
        named = self.read_cost.named(self._raw, taken, raw.observation, raw.info, raw.sixth)
        cost = self.read_cost.combined(named)
        self.costs, self._raw = named, self._kept(raw.observation)
        return seen, reward, cost

    def happened(self, taken: Any, raw: RawStep) -> HostTimestep:
        """What came of the action `taken`, by which the episode may have ended."""
        observation, reward, cost = self.read(taken, raw)
        truncated = raw.truncated or (not raw.terminated and self._step == self._time_limit)
        self._running = not (raw.terminated or truncated)
        if not self._running:
            self.info.ended(raw.info)
        return HostTimestep(
            observation=observation,
            reward=np.float32(reward),
            cost=np.float32(cost),
            terminated=np.bool_(raw.terminated),
            truncated=np.bool_(truncated),
            constraints=self.read_cost.each(self.costs),
        )

    def attempt(self, function: Callable[..., Any], *given: Any) -> Any:
        """`function(*given)`; an error is located, and ends the episode."""
        try:
            return function(*given)
        except HandrailError as error:
            self._running = False
            raise HandrailError(
                f"{self.name}, episode {max(self._episode, 0)}, step {self._step}: {error}"
            ) from error.__cause__

    def _observed(self, raw: Any) -> Any:
        observation = self.observe(raw)
        for watch in self.watches:
            watch(observation)
        return observation

    def _kept(self, raw: Any) -> Any:
        """The observation until the next step; environments may write into it meanwhile."""
        return raw if self.read_cost.cost_fn is None else raw_copy(raw)


def checked_time_limit(given: int | None, registered: int | None) -> int | None:
    """Steps after which episodes are truncated: the fewer of those given and those that the
    environment was registered with, which end it in any case. None for no limit.
    """
    if given is None:
        return registered
    steps = whole("episode_length", given, least=1)
    return steps if registered is None else min(steps, registered)
