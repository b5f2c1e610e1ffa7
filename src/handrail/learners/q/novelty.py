"""Rewards for states that were seldom visited, so that exploration reaches far goals."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from handrail.core.rows import AbstractByRow
from handrail.core.types import Observation, Transition
from handrail.learners.sac.networks import observation_vector

HASH_BITS = 14


class Novelty(AbstractByRow):
    """A bonus of `scale / √n` for a step into a state of whose kind n were visited.

    Count-based exploration (arXiv:1611.04717, equation 1). The bonus is of today's counts whenever
    a transition is learnt from, so it fades; a step that costs anything earns none.
    """

    scale: float = eqx.field(static=True)
    kinds: int = eqx.field(static=True)
    """How many kinds of states are told apart."""
    kind: Callable[[Observation], Int[Array, ""]]
    """The kind of a state, from 0."""

    def init(self) -> Int[Array, " kinds"]:
        """No state was visited."""
        return jnp.zeros(self.kinds, jnp.int32)

    def count(self, counts: Int[Array, " kinds"], transition: Transition) -> Int[Array, " kinds"]:
        """The counts after a step."""
        return counts.at[self.kind(transition.next_observation)].add(1, mode="drop")

    def bonus(self, counts: Int[Array, " kinds"], transition: Transition) -> Float[Array, ""]:
        """What a step earns beside its reward."""
        visited = counts.at[self.kind(transition.next_observation)].get(mode="clip")
        earned = self.scale / jnp.sqrt(jnp.maximum(visited, 1).astype(jnp.float32))
        return jnp.where(transition.cost > 0, 0.0, earned)

    def padded(self, rows: int) -> "Novelty":
        by_row = isinstance(self.kind, TableRow)
        return dataclasses.replace(self, kinds=rows) if by_row else self


class TableRow(eqx.Module):
    """Observations that are rows of a table: each is a kind of its own."""

    def __call__(self, observation: Observation) -> Int[Array, ""]:
        return jnp.asarray(observation)


class SimHash(eqx.Module):
    """The signs of fixed random projections of an observation's numbers (arXiv:1611.04717)."""

    projections: Float[Array, "bits size"]

    @staticmethod
    def fresh(size: int, bits: int = HASH_BITS) -> "SimHash":
        """For vectors of `size` numbers; always the same projections."""
        drawn = np.random.default_rng(0).standard_normal((bits, size))
        return SimHash(jnp.asarray(drawn, jnp.float32))

    def __call__(self, observation: Observation) -> Int[Array, ""]:
        signs = self.projections @ observation_vector(observation) > 0
        return jnp.sum(signs * 2 ** jnp.arange(len(signs)), dtype=jnp.int32)


def rewarded(
    novelty: Novelty | None, counts: Int[Array, " kinds"] | None, batch: Transition
) -> Transition:
    """A batch with the bonus in its rewards; as it is where there is none."""
    if novelty is None or counts is None:
        return batch
    bonus = jax.vmap(novelty.bonus, in_axes=(None, 0))(counts, batch)
    return eqx.tree_at(lambda items: items.reward, batch, batch.reward + bonus)
