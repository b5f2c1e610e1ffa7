"""The contract of compiled environments, and of environments with finitely many observations."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key, PyTree, Shaped

from handrail.core.errors import HandrailError
from handrail.core.types import Action, Observation, Timestep


class DiscreteActions(eqx.Module):
    """`n` actions, numbered from 0."""

    n: int = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True, default=())


class BoxActions(eqx.Module):
    """Real vectors within `[low, high]`."""

    size: int = eqx.field(static=True)
    low: float = eqx.field(static=True, default=-1.0)
    high: float = eqx.field(static=True, default=1.0)


ActionSpace = DiscreteActions | BoxActions


def action_size(actions: ActionSpace) -> int:
    """The length of a real action vector; discrete actions are refused."""
    if isinstance(actions, DiscreteActions):
        raise HandrailError(
            f"the actions are {actions.n} discrete ones; expected real vectors (BoxActions)"
        )
    return actions.size


def zero_action(actions: ActionSpace) -> Action:
    """An action of zeros, with the shape and dtype of the space."""
    if isinstance(actions, DiscreteActions):
        return jnp.zeros((), jnp.int32)
    return jnp.zeros((actions.size,), jnp.float32)


class AbstractEnvironment(eqx.Module):
    """A pure environment: `reset` and `step` are functions of arrays and can be compiled.

    There is no auto-reset: the loop resets, so that the final observation of an episode
    reaches the learner. `cost` of a timestep is mandatory, ≥ 0, per step, undiscounted.
    """

    actions: eqx.AbstractVar[ActionSpace]
    episode_length: eqx.AbstractVar[int]  # the time limit, in steps
    constraints: ClassVar[tuple[str, ...]] = ()  # several costs are for environments on the host

    @abc.abstractmethod
    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        """Begins an episode: the environment's state and the first observation."""

    @abc.abstractmethod
    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        """One step; the state returned after an end must not be stepped again."""


class FiniteObservations(eqx.Module):
    """The table of every observation a finite environment can emit.

    The environment emits `int32` rows of the table, so replay stores numbers instead of
    images, and anything that does not change during a block of steps (a network's values, a
    frozen encoder's embeddings) can be evaluated once per row and looked up.

    Rows `0..live-1` can be acted on; the rest are seen only as the last observation of an
    episode (on the goal, in the lava) and are never bootstrapped from.
    """

    frames: Shaped[np.ndarray, "rows *observation"]  # uint8; kept on the host until it is used
    live: int = eqx.field(static=True)

    def __getitem__(self, row: Int[Array, ""]) -> Array:
        return jnp.asarray(self.frames)[row]


class AbstractFiniteEnvironment(AbstractEnvironment):
    """An environment whose observations are rows of a table, and whose dangers are known."""

    actions: eqx.AbstractVar[DiscreteActions]
    observations: eqx.AbstractVar[FiniteObservations]

    @abc.abstractmethod
    def unsafe_actions(self, state: PyTree) -> Bool[Array, " actions"]:
        """The truth about the next step: which actions incur a cost. For measurement only."""

    @property
    def most_rows(self) -> int | None:
        """The rows to which tables are padded where several environments become one program.

        Then the environment and all that holds its tables are `AbstractByRow`. None: as they are.
        """
        return None
