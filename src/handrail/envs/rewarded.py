"""A finite environment whose rewards are replaced by a table."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.envs.base import AbstractFiniteEnvironment, DiscreteActions, FiniteObservations
from handrail.errors import HandrailError
from handrail.types import Action, Timestep


class Rewarded(AbstractFiniteEnvironment):
    """`inner` with the reward `rewards[row, action]`; all else is unchanged.

    The prior is learnt on pseudo-rewards, which depend on frozen source networks alone and so
    are known in advance for every row (arXiv:1909.04307).
    """

    inner: AbstractFiniteEnvironment
    rewards: Float[Array, "rows actions"]
    observations: FiniteObservations
    actions: DiscreteActions
    episode_length: int = eqx.field(static=True)

    def __init__(
        self, inner: AbstractFiniteEnvironment, rewards: Float[Array, "rows actions"]
    ) -> None:
        """Raises `HandrailError` unless there is a reward for every row and action."""
        expected = (inner.observations.frames.shape[0], inner.actions.n)
        if rewards.shape != expected:
            raise HandrailError(
                f"rewards have shape {rewards.shape}: expected {expected}, rows by actions"
            )
        self.inner = inner
        self.rewards = rewards
        self.observations = inner.observations
        self.actions = inner.actions
        self.episode_length = inner.episode_length

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Int[Array, ""]]:
        return self.inner.reset(key=key)

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        after, timestep = self.inner.step(state, action, key=key)
        reward = self.rewards[state.row, action]
        return after, eqx.tree_at(lambda t: t.reward, timestep, jnp.asarray(reward))

    def unsafe_actions(self, state: PyTree) -> Bool[Array, " actions"]:
        return self.inner.unsafe_actions(state)
