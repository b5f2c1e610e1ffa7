"""The contract of several environments on the host that are stepped together.

It mirrors `AbstractHostEnvironment`; observations, actions, rewards, costs and ends have a
leading axis of copies.
"""

import abc
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.core.errors import HandrailError
from handrail.envs.base import ActionSpace
from handrail.envs.host import HostTimestep


class AbstractVectorHost(abc.ABC):
    """`copies` environments in lockstep, each in an episode of its own.

    There is no auto-reset: the loop resets the copies whose episodes ended, so that the final
    observation of an episode reaches the learner and every step of a copy is one of an episode.
    All randomness comes from the keys, one for each copy.
    """

    actions: ActionSpace  # of one copy
    copies: int
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
    def reset(self, which: Bool[np.ndarray, " copies"], *, keys: Key[Array, " copies"]) -> Any:
        """Begins an episode in the copies `which`; returns what all copies now observe.

        In the first call these are all of them.
        """

    @abc.abstractmethod
    def step(self, actions: np.ndarray, *, keys: Key[Array, " copies"]) -> HostTimestep:
        """One step of every copy; NumPy leaves with a leading axis of copies.

        A copy whose episode ended must be reset before the next call.
        """

    @abc.abstractmethod
    def snapshot(self) -> dict[str, np.ndarray] | None:
        """All episodes as they are now, as arrays for a checkpoint; None if one cannot be saved."""

    @abc.abstractmethod
    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        """Goes back to a snapshot of equal environments and returns what all copies observe."""


def together(trees: Sequence[Any]) -> Any:
    """What single environments gave, with a leading axis of copies."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def copy_of(tree: Any, copy: int) -> Any:
    """What is one copy's of a tree with a leading axis of copies."""
    return jax.tree.map(lambda leaf: leaf[copy], tree)
