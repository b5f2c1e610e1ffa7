"""The contract of environments that run on the host: MuJoCo, Gymnasium, anything not compiled.

It mirrors `AbstractEnvironment`, so that the host loop takes the same decisions on the same
keys; only the state lives inside the object instead of being passed around. Several that are
stepped together are an `AbstractVectorHost` (`vector_host`).
"""

import abc
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.envs.base import AbstractEnvironment, ActionSpace


class HostTimestep(NamedTuple):
    """A `Timestep` of NumPy's numbers, in a twentieth of the time that the module takes to make."""

    observation: Any
    reward: np.float32
    cost: np.float32
    terminated: np.bool_
    truncated: np.bool_
    constraints: Any = None


class AbstractHost(abc.ABC):
    """One environment on the host, or several that are stepped together.

    There is no auto-reset: the loop resets, so that the final observation of an episode
    reaches the learner. Observations are arrays or dictionaries of named arrays whose shapes
    and dtypes never change. All randomness comes from the keys: environments that want a number
    as their seed take `seed_of(key)`.
    """

    actions: ActionSpace
    """Of one environment."""
    constraints: tuple[str, ...] = ()
    """Names of several costs, each with a limit of its own; none where the cost is one number."""
    steps_draw: bool = True
    """Whether steps are random. Where only resets are, any key may be given to a step."""

    def agent_form(self, action: Any) -> Any:
        """An action in the environment's units, an array of JAX, as an agent's."""
        raise HandrailError(
            f"a policy acts in the environment's units, and {type(self).__name__} has none but the "
            "agent's: its actions are within [-1, 1]; leave `units` out"
        )

    def observation_zeros(self) -> Any:
        """An observation of zeros of one environment; None where it is known after a reset only."""
        return None

    @abc.abstractmethod
    def snapshot(self) -> dict[str, np.ndarray] | None:
        """All episodes as they are now, as arrays for a checkpoint; None if one cannot be saved.

        A run of an environment that cannot be saved begins new episodes when it is resumed.
        """

    @abc.abstractmethod
    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        """Goes back to a snapshot of an equal environment and returns what is observed."""


class AbstractHostEnvironment(AbstractHost):
    """One environment in this process, stepped with NumPy arrays."""

    @abc.abstractmethod
    def reset(self, *, key: Key[Array, ""]) -> Any:
        """Begins an episode and returns its first observation."""

    @abc.abstractmethod
    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        """One step; NumPy leaves. `cost` is mandatory, ≥ 0, per step, undiscounted.

        After an end it must not be called again before `reset`.
        """


AnyEnvironment = AbstractEnvironment | AbstractHost


def seed_of(key: Key[Array, ""]) -> int:
    """A number in [0, 2³¹) for libraries that are seeded by one."""
    return int(jax.random.bits(key)) >> 1
