"""Any Gymnasium environment as a host environment, its cost read from where it is.

Gymnasium is not imported: an environment is anything with `reset(seed=)`, `step`,
`action_space` and `observation_space`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.info_columns import InfoColumns
from handrail.envs.gymnasium.layers import refuse_running_statistics
from handrail.envs.gymnasium.outside import OutsideWatch
from handrail.envs.gymnasium.raw import (
    close_environment,
    environment_name,
    read_reset,
    read_step,
    registered_steps,
)
from handrail.envs.gymnasium.reader import HostReader, checked_time_limit
from handrail.envs.gymnasium.scales import ScaleWatch
from handrail.envs.gymnasium.side_info import NO_SIDE_INFO, SideInfo
from handrail.envs.host import AbstractHost, AbstractHostEnvironment, HostTimestep, seed_of
from handrail.networks.image_network import Images


class AbstractGymnasiumHost(AbstractHost):
    """What one environment of Gymnasium and a vector of them have in common on the host."""

    limit: float | None
    """Per episode, of several combined costs; None where the cost is one number."""
    limits: dict[str, float]
    """Per episode, of several costs by name; empty where the cost is one number."""
    action_bounds: dict[str, list[float]]
    """`low` and `high` of a Box, in the environment's units: what −1 and 1 stand for."""
    images: Images
    """Which parts of the observation are images; the name of an observation without parts is
    `observation`."""
    steps_draw = False  # from keys

    def __init__(
        self,
        env: Any,
        name: str,
        parts: Sequence[str] | None,
        time_limit: int | None,
        readers: Sequence[HostReader],
    ):
        """`readers` are those of the environment, or of each of them."""
        self.env, self.name, self.parts, self.time_limit = env, name, parts, time_limit
        self._readers = readers
        self._reader = reader = readers[0]
        self.actions, self.action_bounds = reader.actions, reader.action_bounds
        self.limit, self.limits = reader.limit, reader.limits
        self.constraints = tuple(self.limits)
        self.info_columns = reader.info
        self.images = reader.images

    def agent_form(self, action: Any) -> Any:
        return self._reader.codec.agent_form(action)

    def observation_zeros(self) -> Any:
        return self._reader.observation_zeros()

    def prepare_for_networks(self) -> None:
        """Refuses images that no network can read."""
        try:
            self._reader.observe.refuse_odd_images()
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from None

    def watch_observations(self, *, warn_of_scales: bool) -> None:
        """Warns where observations are outside their space and, if asked to, where the first ones
        have parts in wildly different scales.
        """
        outside = OutsideWatch(self.name, self._reader.observe)
        for reader in self._readers:
            reader.watches.append(outside)
        if warn_of_scales:
            self._reader.watches.append(ScaleWatch(self.name, self.images))

    def snapshot(self) -> dict[str, np.ndarray] | None:
        """None: Gymnasium has no way to save an episode."""
        return None

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        raise HandrailError(f"{self.name}: a Gymnasium environment cannot be restored; reset it")

    def close(self) -> None:
        """Ends what the environment runs in, such as a simulator; what cannot be closed stays."""
        close_environment(self.env)


class GymnasiumHost(AbstractGymnasiumHost, AbstractHostEnvironment):
    """`env` with its cost, checked at every step.

    The cost is what `cost(obs, action, next_obs, info)` returns (observations and action as the
    environment has them), else the cost of a Safety-Gymnasium step `(obs, reward, cost, terminated,
    truncated, info)`, else `info["cost"]`. It may be a mapping of named costs; then `limits` gives
    each its limit per episode. Timesteps have them apart (`constraints`) and combined to one cost,
    whose limit is `limit` (see `handrail.envs.gymnasium.costs.Costs`).

    Observations are float32: an array, or a dictionary of named parts for a `Dict` space (`parts`
    keeps only some). Images of bytes, of 32 × 32 pixels or more, stay bytes. `Discrete`
    observations are one-hot. Agents act in [−1, 1] whatever the bounds of the action space. Every
    reset is seeded from its key. An episode that is not over after `episode_length` steps is
    truncated; by default after as many as the environment was registered with, if it says
    (`time_limit`). `info_columns` are names of numbers in the info of an episode's last step, such
    as `is_success`, that tables have as `info.is_success`. The `side_info` that is asked for,
    numbers of info and the actions that are allowed, comes with observations (`Informed`).

    Raises `HandrailError`, naming environment, episode and step, for: spaces that are not
    supported, an unbounded Box of actions, wrappers with running statistics, no cost, a cost that
    is negative or not finite, an observation or reward that is not finite, a shape or dtype that
    changes, a step that is no five- or six-tuple, an environment that raises, and steps before a
    reset or after an end.
    """

    def __init__(
        self,
        env: Any,
        cost: CostFn | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        parts: Sequence[str] | None = None,
        episode_length: int | None = None,
        info_columns: Sequence[str] = (),
        side_info: SideInfo = NO_SIDE_INFO,
    ):
        name = environment_name(env)
        refuse_running_statistics(env, name)
        time_limit = checked_time_limit(episode_length, registered_steps(env))
        reader = HostReader(
            name, env.action_space, env.observation_space, cost, limits=limits,
            parts=parts, time_limit=time_limit, info=InfoColumns(info_columns), side_info=side_info,
        )  # fmt: skip
        super().__init__(env, name, parts, time_limit, [reader])

    @property
    def costs(self) -> dict[str, float]:
        """The last step's costs by name."""
        return self._reader.costs

    def reset(self, *, key: Key[Array, ""], options: Mapping[str, Any] | None = None) -> Any:
        """Begins an episode; `options` are those of Gymnasium's `reset`."""
        self._reader.begin()
        raw = self._reader.attempt(read_reset, self.env, seed_of(key), options)
        return self._reader.attempt(self._reader.begun, *raw)

    def step(self, action: np.ndarray | np.generic | Array, *, key: Key[Array, ""]) -> HostTimestep:
        taken = self._reader.attempt(self._reader.act, action)
        raw = self._reader.attempt(read_step, self.env, taken)
        return self._reader.attempt(self._reader.happened, taken, raw)
