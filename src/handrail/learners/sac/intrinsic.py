"""Rewards that a learner gives itself, batch by batch, beside those of the environment."""

import abc
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError
from handrail.core.types import Observation, Transition
from handrail.equations.entropy_bonus import entropy_bonus
from handrail.learners.sac.networks import observation_vector


class AbstractIntrinsic(eqx.Module):
    """What is added to the rewards of a batch."""

    @abc.abstractmethod
    def __call__(self, batch: Transition) -> Float[Array, " batch"]:
        """Per step, undiscounted; every leaf of the batch has a leading axis."""


class NoIntrinsic(AbstractIntrinsic):
    """Nothing: the environment's rewards stand alone."""

    def __call__(self, batch: Transition) -> Float[Array, " batch"]:
        return jnp.zeros_like(batch.reward)


class NeighbourEntropy(AbstractIntrinsic):
    """Pays for having reached an observation far from the others of the batch.

    The state-occupancy entropy that arXiv:2307.14316 names beside displacement, by nearest
    neighbours within the batch (`equations.entropy_bonus`): the batch is drawn from the replay,
    so what is rare in all that has been visited pays most.

    Attributes:
        parts: the parts of the observation that count, in their own units; empty: all. Parts
            that are noise (accelerations) would pay for shaking on the spot.
        neighbours: k; must be below the size of the batch.
        scale: reward per unit of log-distance.
        offset: added to the distance inside the logarithm.
    """

    parts: tuple[str, ...] = eqx.field(default=(), static=True)
    neighbours: int = eqx.field(default=3, static=True)
    scale: float = eqx.field(default=1.0, static=True)
    offset: float = eqx.field(default=1.0, static=True)

    def __call__(self, batch: Transition) -> Float[Array, " batch"]:
        particles = jax.vmap(self._particle)(batch.next_observation)
        bonus = jax.vmap(lambda x: entropy_bonus(x, particles, self.neighbours, self.offset))
        return self.scale * bonus(particles)

    def _particle(self, observation: Observation) -> Float[Array, " n"]:
        if not self.parts:
            return observation_vector(observation)
        missing = [
            name for name in self.parts
            if not isinstance(observation, Mapping) or name not in observation
        ]  # fmt: skip
        if missing:
            known = ", ".join(observation) if isinstance(observation, Mapping) else "no parts"
            raise HandrailError(
                f"the entropy bonus counts the part {missing[0]!r}, but the observation has {known}"
            )
        return observation_vector({name: observation[name] for name in self.parts})
