"""Any Gymnasium environment as a host environment, its cost read from where it is.

Gymnasium is not imported: an environment is anything with `reset(seed=)`, `step`,
`action_space` and `observation_space`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.host import AbstractHostEnvironment, HostTimestep, seed_of
from handrail.envs.host_costs import CostFn, Costs
from handrail.envs.host_spaces import ObservationCodec, action_codec
from handrail.envs.raw import RawStep, environment_name, raw_copy, read_reset, read_step
from handrail.errors import HandrailError


class GymnasiumHost(AbstractHostEnvironment):
    """`env` with its cost, checked at every step.

    The cost is what `cost(obs, action, next_obs, info)` returns (observations and action as the
    environment has them), else the cost of a Safety-Gymnasium step `(obs, reward, cost, terminated,
    truncated, info)`, else `info["cost"]`. It may be a mapping of named costs; then `limits` gives
    each its limit per episode and they are combined (see `handrail.envs.host_costs.Costs`), with
    `limit` as the limit of the combined cost.

    Observations are float32: an array, or a dictionary of named parts for a `Dict` space (`parts`
    keeps only some). `Discrete` observations are one-hot. Agents act in [−1, 1] whatever the
    bounds of the action space. Every reset is seeded from its key.

    Raises `HandrailError`, naming environment, episode and step, for: spaces that are not
    supported, an unbounded Box of actions, no cost, a cost that is negative or not finite, an
    observation or reward that is not finite, a shape or dtype that changes, a step that is no
    five- or six-tuple, an environment that raises, and steps before a reset or after an end.
    """

    def __init__(
        self,
        env: Any,
        cost: CostFn | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        parts: Sequence[str] | None = None,
    ):
        self.env = env
        self.name = environment_name(env)
        self.parts = parts
        self._read_cost = Costs(cost, limits)
        self._episode, self._step = -1, 0
        self._running = False
        self._raw: Any = None
        self.costs: dict[str, float] = {}
        try:
            self._codec = action_codec(env.action_space)
            self._observe = ObservationCodec(env.observation_space, parts)
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from None
        self.actions = self._codec.actions

    @property
    def limit(self) -> float | None:
        """The limit per episode of several combined costs; None where the cost is one number."""
        return self._read_cost.limit

    @property
    def action_bounds(self) -> dict[str, list[float]]:
        """`low` and `high` of a Box, in the environment's units: what −1 and 1 stand for."""
        return self._codec.bounds()

    def observation_zeros(self) -> Any:
        """An observation of zeros: the shapes and dtypes of this environment."""
        return self._observe.zeros()

    def reset(self, *, key: Key[Array, ""]) -> Any:
        self._episode, self._step = self._episode + 1, 0
        self._running = False
        try:
            self._raw = self._kept(read_reset(self.env, seed_of(key)))
            observation = self._observe(self._raw)
        except HandrailError as error:
            raise self._located(error) from error.__cause__
        self._running = True
        return observation

    def step(self, action: np.ndarray | np.generic | Array, *, key: Key[Array, ""]) -> HostTimestep:
        try:
            if not self._running:
                raise HandrailError(
                    "the episode has ended; call reset before the next step"
                    if self._episode >= 0
                    else "step was called before reset; call reset first"
                )
            self._step += 1
            taken = self._codec.to_environment(action)
            raw = read_step(self.env, taken)
            observation = self._observe(raw.observation)
            reward = _finite_reward(raw)
            named = self._read_cost.named(self._raw, taken, raw.observation, raw.info, raw.sixth)
            cost = self._read_cost.combined(named)
        except HandrailError as error:
            self._running = False
            raise self._located(error) from error.__cause__
        self.costs = named
        self._raw = self._kept(raw.observation)
        self._running = not (raw.terminated or raw.truncated)
        return HostTimestep(
            observation=observation,
            reward=np.float32(reward),
            cost=np.float32(cost),
            terminated=np.bool_(raw.terminated),
            truncated=np.bool_(raw.truncated),
        )

    def snapshot(self) -> dict[str, np.ndarray] | None:
        """None: Gymnasium has no way to save an episode."""
        return None

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        raise HandrailError(f"{self.name}: a Gymnasium environment cannot be restored; reset it")

    def _kept(self, raw: Any) -> Any:
        """The observation until the next step; environments may write into it meanwhile."""
        return raw if self._read_cost.cost_fn is None else raw_copy(raw)

    def _located(self, error: HandrailError) -> HandrailError:
        return HandrailError(
            f"{self.name}, episode {max(self._episode, 0)}, step {self._step}: {error}"
        )


def _finite_reward(raw: RawStep) -> float:
    try:
        reward = float(raw.reward)
    except (TypeError, ValueError):
        raise HandrailError(f"the reward is {raw.reward!r}; expected one number") from None
    if not np.isfinite(reward):
        raise HandrailError(f"the reward is {reward}; expected a finite number")
    return reward
