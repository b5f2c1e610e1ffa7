"""The state check: how near is this state to those that came just before a violation?"""

import abc
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.core.errors import HandrailError
from handrail.core.renamed import takes_old_names
from handrail.core.types import Context, Memory, Observation, Transition
from handrail.equations.safety_checks import is_near_unsafe, mean_nearest_distance
from handrail.interventions.asked import ask, check_compared, vector
from handrail.interventions.base import AbstractTrigger, Threshold, Verdict


class AbstractRadius(eqx.Module):
    """How far from an unsafe embedding a state still counts as unsafe."""

    @abc.abstractmethod
    def init(self) -> Float[Array, ""]:
        """The distance at the beginning of a run."""

    @abc.abstractmethod
    def observe(
        self, radius: Float[Array, ""], distance: Float[Array, ""], unsafe: Bool[Array, ""]
    ) -> Float[Array, ""]:
        """The distance after a state at `distance` turned out safe or unsafe."""


class FixedRadius(AbstractRadius):
    """The paper's constant d_max."""

    distance: float = eqx.field(default=2.5, static=True)

    def __check_init__(self):
        check_compared("distance", self.distance)

    def init(self) -> Float[Array, ""]:
        return jnp.asarray(self.distance, jnp.float32)

    def observe(
        self, radius: Float[Array, ""], distance: Float[Array, ""], unsafe: Bool[Array, ""]
    ) -> Float[Array, ""]:
        return radius


class AdaptiveRadius(AbstractRadius):
    """A quantile of the distances from safe states to the unsafe ones, followed online.

    Each step left without harm moves the radius towards the `quantile` of those distances
    (stochastic quantile descent with step `rate`, as a share of the current radius); a
    violation that the check missed lifts it at once to where it would have been caught.
    Answers an open question of arXiv:2503.10318 (an adaptive d_max).
    """

    initial: float = eqx.field(default=2.5, static=True)
    quantile: float = eqx.field(default=0.2, static=True)
    rate: float = eqx.field(default=0.002, static=True)
    margin: float = eqx.field(default=1.05, static=True)

    def init(self) -> Float[Array, ""]:
        return jnp.asarray(self.initial, jnp.float32)

    def observe(
        self, radius: Float[Array, ""], distance: Float[Array, ""], unsafe: Bool[Array, ""]
    ) -> Float[Array, ""]:
        below = (distance < radius).astype(radius.dtype)
        followed = radius * (1.0 + self.rate * (self.quantile - below))
        caught = jnp.maximum(radius, self.margin * distance)
        return jnp.where(unsafe, caught, followed)


class UnsafeMemory(eqx.Module):
    """The embeddings of the states before a violation, and the radius around them."""

    embeddings: Float[Array, "capacity latent"]
    inserted: Int[Array, ""]
    reach: Float[Array, ""]


@takes_old_names({"reach": "radius", "known": "initial_embeddings"})
class NearUnsafe(AbstractTrigger):
    """Fires where the mean distance to the `neighbours` nearest unsafe embeddings is small.

    Needs more than `minimum` stored embeddings. Reports `distance`, `radius` and `state_check`.
    `initial_embeddings` come from the source tasks, if there are any.

    It also fires where the embedding is not finite; such a one is never stored, nor does the radius
    follow it.
    """

    stream: ClassVar[str] = "NearUnsafe"
    embed: Callable[[Observation], Float[Array, " latent"]]
    initial_embeddings: Float[Array, "initial latent"]
    radius: AbstractRadius = FixedRadius()
    neighbours: int = eqx.field(default=10, static=True)
    capacity: int = eqx.field(default=100, static=True)
    minimum: int = eqx.field(default=3, static=True)

    def __check_init__(self):
        concrete = not isinstance(self.initial_embeddings, jax.core.Tracer)
        if concrete and not np.isfinite(np.asarray(self.initial_embeddings)).all():
            raise HandrailError(
                "the known unsafe embeddings are not all finite (NaN or infinite): their file is "
                "damaged, or its training diverged; train the encoder again"
            )

    def init(self) -> UnsafeMemory:
        latent = self.initial_embeddings.shape[1]
        known = self.initial_embeddings[-self.capacity :]
        empty = jnp.zeros((self.capacity - known.shape[0], latent), jnp.float32)
        return UnsafeMemory(
            embeddings=jnp.concatenate([known.astype(jnp.float32), empty]),
            inserted=jnp.asarray(known.shape[0], jnp.int32),
            reach=self.radius.init(),
        )

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("distance", "radius", "below"),)

    def _embedding(self, observation: Observation) -> Float[Array, " latent"]:
        given = ask("the embedding", self.embed, observation)
        return vector(
            "the embedding", given, size=self.initial_embeddings.shape[1], of="latent number"
        )

    def _distance(
        self, embedding: Float[Array, " latent"], memory: UnsafeMemory
    ) -> Float[Array, ""]:
        return mean_nearest_distance(embedding, memory.embeddings, memory.inserted, self.neighbours)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        embedding = self._embedding(context.observation)
        distance = self._distance(embedding, memory)
        enough = memory.inserted > self.minimum
        unknown = ~(jnp.isfinite(embedding).all() & (jnp.isfinite(distance) | ~enough))
        near = is_near_unsafe(
            distance, memory.inserted, distance=memory.reach, min_entries=self.minimum
        )
        fires = near | unknown
        evidence = {"distance": distance, "radius": memory.reach, "state_check": fires}
        return Verdict(fires, evidence, unknown)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        embedding = self._embedding(transition.observation)
        finite = jnp.isfinite(embedding).all()
        unsafe = ((transition.cost > 0) | ~jnp.isfinite(transition.cost)) & finite
        enough = (memory.inserted > self.minimum) & finite
        distance = self._distance(embedding, memory)
        slot = memory.inserted % self.capacity
        row = jnp.where(unsafe, embedding, memory.embeddings[slot])
        radius = self.radius.observe(memory.reach, distance, unsafe)
        return UnsafeMemory(
            embeddings=memory.embeddings.at[slot].set(row),
            inserted=memory.inserted + unsafe.astype(jnp.int32),
            reach=jnp.where(enough, radius, memory.reach),
        )
