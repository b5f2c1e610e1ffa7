"""How a Q-network is evaluated: on an observation, on a row of a table, or on every row once.

A block of environment steps acts with unchanged parameters, and the update at its end
differentiates the same values. So evaluation is split in two: `prepare` does, once a
block and differentiably, what depends on the parameters alone; calling is the cheap rest. For a
finite environment `prepare` evaluates every live row, and acting, targets and the loss are
look-ups in one table.
"""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Key, Shaped

from handrail.core.rows import AbstractByRow, padded_table
from handrail.core.types import Observation

Network = Callable[..., Array]


class AbstractValues(eqx.Module):
    """Evaluates the values of all actions."""

    def prepare(self, network: Any) -> Any:
        """What stays the same while the parameters do; a pytree of arrays, by default the network
        itself.
        """
        return network

    @abc.abstractmethod
    def __call__(
        self, policy_snapshot: Any, observation: Observation, *, key: Key[Array, ""]
    ) -> Float[Array, " actions"]:
        """The values in one observation (`key` only for networks that sample)."""

    def batch(
        self, policy_snapshot: Any, observations: Observation, keys: Key[Array, " batch"]
    ) -> Float[Array, "batch actions"]:
        """The values in a batch of observations."""
        one = lambda observation, key: self(policy_snapshot, observation, key=key)
        return jax.vmap(one)(observations, keys)


class Direct(AbstractValues):
    """The network is called on the observation."""

    def __call__(
        self, policy_snapshot: Network, observation: Observation, *, key: Key[Array, ""]
    ) -> Float[Array, " actions"]:
        return policy_snapshot(observation)


class InBatches(AbstractValues):
    """The network is called on the observation; it evaluates a batch in a way of its own."""

    def __call__(
        self, policy_snapshot: Network, observation: Observation, *, key: Key[Array, ""]
    ) -> Float[Array, " actions"]:
        return policy_snapshot(observation)

    def batch(
        self, policy_snapshot: Any, observations: Observation, keys: Key[Array, " batch"]
    ) -> Float[Array, "batch actions"]:
        return policy_snapshot.batch(observations)


class Gathered(AbstractValues):
    """The observation is a row; the network is called on the frame that it stands for."""

    frames: Shaped[Array, "rows *frame"]

    def __call__(
        self, policy_snapshot: Network, observation: Int[Array, ""], *, key: Key[Array, ""]
    ) -> Float[Array, " actions"]:
        return policy_snapshot(self.frames[observation])


class Tabulated(AbstractValues):
    """The observation is a row; the network is evaluated on all live rows at once."""

    evaluate: Callable[[Any], Float[Array, "live actions"]]  # of a network

    def prepare(self, network: Network) -> Float[Array, "live actions"]:
        return self.evaluate(network)

    def __call__(
        self,
        policy_snapshot: Float[Array, "live actions"],
        observation: Int[Array, ""],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, " actions"]:
        return policy_snapshot.at[observation].get(mode="clip")


class OnFrames(AbstractByRow):
    """Evaluates a network on each of the given frames: the plain way to fill a table."""

    frames: Shaped[Array, "live *frame"]

    def __call__(self, network: Network) -> Float[Array, "live actions"]:
        return jax.vmap(network)(self.frames)

    def padded(self, rows: int) -> "OnFrames":
        return OnFrames(padded_table(self.frames, rows))
