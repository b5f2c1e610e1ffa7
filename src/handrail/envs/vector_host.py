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

from handrail.envs.host import AbstractHost, HostTimestep


class AbstractVectorHost(AbstractHost):
    """`copies` environments in lockstep, each in an episode of its own.

    The loop resets the copies whose episodes ended, so that every step of a copy is one of an
    episode. There is a key for each copy.
    """

    copies: int

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


def together(trees: Sequence[Any]) -> Any:
    """What single environments gave, with a leading axis of copies."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def copy_of(tree: Any, copy: int) -> Any:
    """What is one copy's of a tree with a leading axis of copies."""
    return jax.tree.map(lambda leaf: leaf[copy], tree)
